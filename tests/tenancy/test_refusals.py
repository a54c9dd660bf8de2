"""Bad packs: each is refused with file, line, place and reason, all problems at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cityloom import installed
from cityloom.tenancy.packs import InvalidPack, PackSource, Problem, Problems, read_folder, read_upload
from cityloom.tenancy.packs.problems import MOST_PROBLEMS
from cityloom.tenancy.service import pack_engine

if TYPE_CHECKING:
    from cityloom.tenancy.packs import PackEngine

ROOT = """\
slug = "alder"
names = { zh = "桤木", en = "Alder" }

[[area_kinds]]
code = "CITY"
title = { zh = "市", en = "City" }
level = 1

[[area_kinds]]
code = "STREET"
title = { zh = "街道", en = "Street" }
level = 2
"""
AREAS = "code,name,kind,parent,valid_from,valid_to,longitude,latitude\n"
TOP = "A,桤木,CITY,,,,,\n"
RING = "[[[1,1],[2,1],[2,2],[1,1]]]"


def feature(geometry: str, code: str = "A") -> str:
    return (
        '{"type":"FeatureCollection","features":[\n'
        f'{{"type":"Feature","properties":{{"code":"{code}"}},"geometry":{geometry}}}\n]}}\n'
    )


def files(toml: str | bytes = ROOT, **others: str | bytes) -> dict[str, bytes]:
    given = {"tenant.toml": toml, **{name.replace("__", "."): content for name, content in others.items()}}
    return {name: content if isinstance(content, bytes) else content.encode() for name, content in given.items()}


#: name → files, and each problem's file, line, place and a part of its reason.
BAD: dict[str, tuple[dict[str, bytes], list[tuple[str, int, str, str]]]] = {
    "no root": ({"areas.csv": AREAS.encode()}, [("tenant.toml", 0, "", "missing")]),
    "not TOML": (files("slug = \n"), [("tenant.toml", 1, "", "TOML syntax: Invalid value")]),
    "TOML ends early": (files('slug = "alder"\nnames = {\n'), [("tenant.toml", 2, "", "TOML syntax")]),
    "key twice": (files('slug = "alder"\nslug = "b"\n'), [("tenant.toml", 2, "", "Cannot overwrite a value")]),
    "byte order mark": (files(b"\xef\xbb\xbf" + ROOT.encode()), [("tenant.toml", 1, "", "byte order mark")]),
    "GBK": (files(ROOT, areas__csv=AREAS.encode() + "A,桤木".encode("gbk")), [("areas.csv", 2, "", "is not UTF-8")]),
    "CRLF": (files(ROOT, areas__csv=AREAS.replace("\n", "\r\n")), [("areas.csv", 1, "", "carriage return")]),
    "invisible": (files(ROOT, areas__csv=AREAS + "A,a\u202eb,CITY,,,,,\n"), [("areas.csv", 2, "", "U+202E")]),
    "nul": (files(ROOT + "# \0\n"), [("tenant.toml", 13, "", "U+0000")]),
    "missing name": (files('slug = "alder"\n'), [("tenant.toml", 1, "names", "a value is needed")]),
    "bad slug": (
        files(ROOT.replace('"alder"', '"Alder!"')),
        [("tenant.toml", 1, "slug", "'Alder!' is not of the right form")],
    ),
    "bad zone": (
        files('time_zone = "Mars/Base"\n' + ROOT),
        [("tenant.toml", 1, "time_zone", "no time zone 'Mars/Base'")],
    ),
    "bad locale": (files('locale = "fr"\n' + ROOT), [("tenant.toml", 1, "locale", "'fr' is not one of the values")]),
    "name without English": (
        files(ROOT.replace(', en = "Alder"', "")),
        [("tenant.toml", 2, "names.en", "a value is needed")],
    ),
    "unknown key": (files('colour = "red"\n' + ROOT), [("tenant.toml", 1, "colour", "unknown key")]),
    "unknown key in a list": (
        files(ROOT + 'shade = "dark"\n'),
        [("tenant.toml", 13, "area_kinds.shade", "unknown key")],
    ),
    "number as text": (
        files(ROOT + "\n[limits]\nareas = '7'\n"),
        [("tenant.toml", 15, "limits.areas.value", "wrong kind")],
    ),
    "unknown limit": (files(ROOT + "\n[limits]\nmoons = 7\n"), [("tenant.toml", 15, "limits.moons", "no such limit")]),
    "limit too high": (
        files(ROOT + f"\n[limits]\nareas = {10**9}\n"),
        [("tenant.toml", 15, "limits.areas", "out of bounds")],
    ),
    "huge number": (
        files(ROOT + f"\n[limits]\nareas = {10**30}\n"),
        [("tenant.toml", 15, "limits.areas", "out of bounds")],
    ),
    "unknown module": (
        files(ROOT + "\n[modules.registri]\nenabled = true\n"),
        [("tenant.toml", 14, "modules.registri", "no such module")],
    ),
    "core module off": (
        files(ROOT + "\n[modules.areas]\nenabled = false\n"),
        [("tenant.toml", 15, "modules.areas.enabled", "core module cannot be switched off")],
    ),
    "unknown setting": (
        files(ROOT + "\n[modules.areas.settings]\nwidth = 3\n"),
        [("tenant.toml", 15, "modules.areas.settings.width", "unknown key")],
    ),
    "section of another shape": (
        files('limits = 3\nmodules = "all"\n' + ROOT),
        [("tenant.toml", 1, "limits", "must be a table"), ("tenant.toml", 2, "modules", "must be a table")],
    ),
    "list of another shape": (
        files('area_kinds = { code = "CITY" }\n' + ROOT.split("\n\n", maxsplit=1)[0]),
        [("tenant.toml", 1, "area_kinds", "must be a list of tables")],
    ),
    "kind twice": (
        files(ROOT.replace('"STREET"', '"CITY"')),
        [("tenant.toml", 9, "code", "'CITY' is given twice")],
    ),
    "unknown file": (files(ROOT, area__csv=AREAS), [("area.csv", 0, "", "unknown file")]),
    "unknown column": (
        files(ROOT, areas__csv=AREAS.replace("name", "nmae")),
        [("areas.csv", 1, "name", "column is missing"), ("areas.csv", 1, "nmae", "unknown column")],
    ),
    "column twice": (
        files(ROOT, areas__csv=AREAS.replace("latitude", "longitude")),
        [("areas.csv", 1, "longitude", "column is given twice")],
    ),
    "no header": (files(ROOT, areas__csv=""), [("areas.csv", 1, "", "header line is missing")]),
    "too many cells": (
        files(ROOT, areas__csv=AREAS + "A,a,b,CITY,,,,,\n"),
        [("areas.csv", 2, "", "9 cells instead of 8")],
    ),
    "open quotation": (files(ROOT, areas__csv=AREAS + 'A,"a\n'), [("areas.csv", 2, "", "CSV syntax")]),
    "spaces around": (
        files(ROOT, areas__csv=AREAS + "A, a,CITY,,,,,\n"),
        [("areas.csv", 2, "name", "has spaces around it")],
    ),
    "line after quoted lines": (
        files(ROOT, areas__csv=AREAS + '"A","a\nb",CITY,,,,,\nB,b,STREET,X,,,,\n'),
        [("areas.csv", 4, "parent", "no such code")],
    ),
    "not a date": (
        files(ROOT, areas__csv=AREAS + "A,a,CITY,,2023-02-30,,,\n"),
        [("areas.csv", 2, "valid_from", "'2023-02-30' is of the wrong kind")],
    ),
    "not a number": (
        files(ROOT, areas__csv=AREAS + "A,a,CITY,,,,east,1\n"),
        [("areas.csv", 2, "longitude", "'east' is of the wrong kind")],
    ),
    "latitude too high": (
        files(ROOT, areas__csv=AREAS + "A,a,CITY,,,,1,91\n"),
        [("areas.csv", 2, "latitude", "out of bounds")],
    ),
    "code twice": (
        files(ROOT, areas__csv=AREAS + TOP + "B,b,STREET,A,,,,\nB,c,STREET,A,,,,\n"),
        [("areas.csv", 4, "code", "'B' is given twice")],
    ),
    "no such kind": (
        files(ROOT, areas__csv=AREAS + TOP + "B,b,GRID,A,,,,\n"),
        [("areas.csv", 3, "kind", "no such kind of area")],
    ),
    "not JSON": (
        files(ROOT, areas__csv=AREAS + TOP, areas__geojson='{\n"a": }'),
        [("areas.geojson", 2, "", "JSON syntax")],
    ),
    "not a collection": (files(ROOT, areas__geojson="[]"), [("areas.geojson", 1, "", "not a FeatureCollection")]),
    "open ring": (
        files(
            ROOT,
            areas__csv=AREAS + TOP,
            areas__geojson=feature('{"type":"Polygon","coordinates":[[[1,1],[2,1],[2,2],[1,2]]]}'),
        ),
        [("areas.geojson", 2, "geometry", "ring is not closed")],
    ),
    "a point": (
        files(ROOT, areas__csv=AREAS + TOP, areas__geojson=feature('{"type":"Point","coordinates":[1,1]}')),
        [("areas.geojson", 2, "geometry", "'Point' is not supported")],
    ),
    "metres": (
        files(
            ROOT,
            areas__csv=AREAS + TOP,
            areas__geojson=feature(f'{{"type":"Polygon","coordinates":{RING.replace("2,2", "2,4e6")}}}'),
        ),
        [("areas.geojson", 2, "geometry", "is not longitude and latitude")],
    ),
    "boundary of nothing": (
        files(ROOT, areas__csv=AREAS + TOP, areas__geojson=feature(f'{{"type":"Polygon","coordinates":{RING}}}', "B")),
        [("areas.geojson", 2, "code", "no such code")],
    ),
    "no such base": (
        files('extends = "packs/none"\n' + ROOT),
        [("tenant.toml", 1, "extends", "no base pack 'packs/none'")],
    ),
    "base elsewhere": (
        files('extends = "../secrets"\n' + ROOT),
        [("tenant.toml", 1, "extends", "not of the right form")],
    ),
    "nothing to remove": (
        files(ROOT + '\n[remove]\n"roles.csv" = ["nobody"]\nmoons = ["x"]\n'),
        [
            ("tenant.toml", 15, "remove.roles.csv", "no base pack has 'nobody'"),
            ("tenant.toml", 16, "remove.moons", "unknown file or section"),
        ],
    ),
    "bad rule": (
        files(
            ROOT,
            roles__csv="code,title_zh,title_en,description_zh,description_en\na,甲,A,,\n",
            policy__csv="# ours\np, b, areas.area.read, allow\n",
        ),
        [("policy.csv", 2, "role", "no role 'b'")],
    ),
    "rule without an effect": (
        files(ROOT, policy__csv="p, a, areas.area.read, perhaps\n"),
        [("policy.csv", 1, "effect", "'perhaps' is not one of the values")],
    ),
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> PackEngine:
    return pack_engine(installed.modules(), tmp_path_factory.mktemp("tenants"))


@pytest.mark.parametrize("name", BAD)
def test_a_bad_pack_is_refused_with_file_line_place_and_reason(name: str, engine: PackEngine) -> None:
    given, expected = BAD[name]
    with pytest.raises(InvalidPack) as caught:
        engine.check(PackSource(given))
    found = caught.value.problems
    assert [(p.file, p.line, p.place) for p in found] == [e[:3] for e in expected], [p.text("en") for p in found]
    for problem, (_, _, _, reason) in zip(found, expected, strict=True):
        assert reason in problem.en
        assert problem.zh
        assert problem.zh != problem.en
        assert bool(problem.hint_zh) == bool(problem.hint_en)


def test_the_sound_pack_that_the_bad_ones_are_made_of_is_accepted(engine: PackEngine) -> None:
    engine.check(PackSource(files(ROOT, areas__csv=AREAS + TOP + "B,b,STREET,A,,,,\n")))


def test_problems_of_all_files_are_told_at_once_in_order(engine: PackEngine) -> None:
    given = files(
        'colour = "red"\n' + ROOT + "\n[limits]\nareas = 'x'\n",
        areas__csv=AREAS + "A,a,CITY,,x,,,\nB,b,CITY,,,,y,\n",
        more__csv="",
    )
    with pytest.raises(InvalidPack) as caught:
        engine.check(PackSource(given))
    assert [(p.file, p.line) for p in caught.value.problems] == [
        ("areas.csv", 2),
        ("areas.csv", 3),
        ("more.csv", 0),
        ("tenant.toml", 1),
        ("tenant.toml", 16),
    ]
    assert caught.value.details["count"] == 5
    assert caught.value.details["problems"][0]["line"] == 2
    assert "areas.csv:2" in caught.value.message("en")
    assert "5 个问题" in caught.value.message("zh")


def test_a_pack_full_of_problems_is_not_read_to_its_end(engine: PackEngine) -> None:
    with pytest.raises(InvalidPack) as caught:
        engine.check(PackSource(files(ROOT, areas__csv=AREAS + "A,a,CITY,,x,,,\n" * 100_000)))
    assert len(caught.value.problems) == MOST_PROBLEMS


def test_packs_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        folder = tmp_path / "packs" / name
        folder.mkdir(parents=True)
        (folder / "pack.toml").write_text(f'names = {{ zh = "包", en = "Pack" }}\nextends = "packs/{other}"\n')
    engine = pack_engine(installed.modules(), tmp_path)
    with pytest.raises(InvalidPack) as caught:
        engine.check(PackSource(files('extends = "packs/one"\n' + ROOT)))
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == ("packs/two/pack.toml", 2)
    assert "packs/one → packs/two → packs/one" in problem.en


def test_a_problem_in_a_base_pack_names_the_base_pack_s_file(tmp_path: Path) -> None:
    folder = tmp_path / "packs" / "base"
    folder.mkdir(parents=True)
    (folder / "pack.toml").write_text('names = { zh = "包", en = "Pack" }\n\n[limits]\nmoons = 3\n', encoding="utf-8")
    with pytest.raises(InvalidPack) as caught:
        pack_engine(installed.modules(), tmp_path).check(PackSource(files('extends = "packs/base"\n' + ROOT)))
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.place) == ("packs/base/pack.toml", 4, "limits.moons")


def folder_problems(folder: Path) -> list[Problem]:
    problems = Problems()
    read_folder(folder, problems)
    return list(problems)


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("x")
    city = tmp_path / "city"
    (city / "deep").mkdir(parents=True)
    (city / "tenant.toml").write_text(ROOT, encoding="utf-8")
    (city / "areas.csv").symlink_to(secret)
    (city / "workflows").symlink_to(tmp_path)
    assert [(p.file, p.en) for p in folder_problems(city)] == [
        ("areas.csv", "it is not a regular file"),
        ("workflows", "it is not a regular file"),
    ]
    (tmp_path / "link").symlink_to(city)
    assert [p.en for p in folder_problems(tmp_path / "link")] == ["there is no such folder"]


def test_files_with_odd_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tenant.toml").write_text(ROOT, encoding="utf-8")
    (tmp_path / ".hidden").write_text("")
    (tmp_path / "with space.csv").write_text("")
    assert [p.file for p in folder_problems(tmp_path)] == ["'.hidden'", "'with space.csv'"]


@pytest.mark.parametrize(
    "path",
    ["../tenant.toml", "/etc/passwd", "a/../b.csv", "a//b.csv", "C:\\x.csv", "", "a/b/c/d/e.csv", "x" * 300, "ä.csv"],
)
def test_an_uploaded_path_out_of_the_pack_is_refused(path: str) -> None:
    problems = Problems()
    source = read_upload([(path, b""), ("tenant.toml", ROOT.encode())], problems)
    assert [p.en for p in problems] == ["the path is not allowed in a pack"]
    assert list(source.files) == ["tenant.toml"]


def test_an_upload_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from cityloom.tenancy.packs import source

    monkeypatch.setattr(source, "MOST_FILE_BYTES", 10)
    monkeypatch.setattr(source, "MOST_BYTES", 25)
    monkeypatch.setattr(source, "MOST_FILES", 4)
    problems = Problems()
    kept = read_upload(
        [
            ("a.csv", b"x" * 11),
            ("b.csv", b"x" * 10),
            ("b.csv", b""),
            ("c.csv", b"x" * 5),
            ("d.csv", b""),
            ("e.csv", b""),
        ],
        problems,
    )
    assert sorted(kept.files) == ["b.csv"]
    assert {(p.file, p.en) for p in problems} >= {
        ("a.csv", "the file is too large"),
        ("b.csv", "the file is given twice"),
        ("c.csv", "the pack is too large"),
    }
