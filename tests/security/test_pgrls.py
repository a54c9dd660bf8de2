"""An outside prover over the same database: `pgrls` lints the policies and proves isolation with Z3."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cityloom.core import rls
from cityloom.core.database import Base
from cityloom.installed import import_models

import_models()
#: Tables that operators read across tenants on purpose: the tenants themselves, the operators' own, versions of access.
ACROSS_TENANTS = {
    t.name
    for t in Base.metadata.sorted_tables
    if rls.kind(t) in {"control", "directory"} or t.info.get("operator_reads")
}

#: Findings that do not hold here, each with the reason.
ACCEPTED = {
    "PERF001": "wrapping in a sub-select defeats the one-time filter and is refused by Citus (ops/decisions/0001)",
    "PERF003": "the index leads with tenant_id and area_path follows: every statement names the tenant",
    "SEC005": "operators' tables hold no tenant's rows: the policy asks for an operator's connection",
    "SEC007": "no table has to be readable by PUBLIC: roles are named",
    "SEC008": "operators' tables hold no tenant's rows: the policy asks for an operator's connection",
    "SEC013": "triggers run as whoever writes and read what was written alone; `db verify` compares their text",
    "SEC019": "an unset tenant is meant to be an error, never an empty answer",
    "SEC028": "operators' tables hold no tenant's rows: the policy asks for an operator's connection",
    "SEC035": "slugs of tenants are unique over the platform: they are its public addresses",
}


def test_what_operators_read_across_tenants_is_this_short_list() -> None:
    assert {
        "access_versions",
        "departure_parts",
        "event_heads",
        "export_runs",
        "identity_providers",
        "imports",
        "job_runs",
        "key_rotations",
        "login_throttles",
        "operator_actions",
        "operator_sign_ins",
        "operators",
        "outbox",
        "pack_applications",
        "tenant_departures",
        "tenant_limits",
        "tenant_modules",
        "tenants",
        "webhook_lanes",
    } == ACROSS_TENANTS


def pgrls(*arguments: str) -> tuple[int, Any]:
    program = Path(sys.executable).with_name("pgrls")
    done = subprocess.run(
        [program, *arguments, "--format", "json"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_lint_finds_nothing_that_is_not_accepted_for_a_reason(admin_url: str) -> None:
    _, report = pgrls("lint", "--database-url", admin_url)
    findings = report["violations"] if isinstance(report, dict) else report
    unexpected = {
        (f["rule_id"], f.get("location") or f.get("table"))
        for f in findings
        if f["rule_id"] not in ACCEPTED and "alembic_version" not in json.dumps(f)
    }
    assert unexpected == set()


@pytest.mark.parametrize("mode", ["anon", "cross-tenant", "write", "escalation"])
def test_isolation_is_proven_for_every_tenant_table(admin_url: str, mode: str) -> None:
    _, report = pgrls("verify", "--database-url", admin_url, "--mode", mode)
    verdicts: dict[str, set[str]] = {}
    for entry in report["tables"]:
        name = entry["table"].split(".")[-1]
        verdicts.setdefault(name, set()).add(entry["verdict"].upper())
    assert not [name for name, seen in verdicts.items() if "LEAK" in seen]
    unproven = {name for name, seen in verdicts.items() if not seen <= {"PROVEN", "ISOLATED"}}
    assert unproven <= ACROSS_TENANTS
    if mode in {"anon", "cross-tenant", "write"}:
        tenant_tables = {t.name for t in Base.metadata.sorted_tables if rls.kind(t) == "tenant"}
        assert tenant_tables <= set(verdicts)
