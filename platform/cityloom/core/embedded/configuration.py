"""The part of the server's configuration that is ours: sized by the machine, silent about people."""

from __future__ import annotations

import os
from pathlib import Path

MEGABYTE = 1024 * 1024


def managed_settings(socket_folder: str, *, durable: bool) -> str:
    """The managed part of the server's configuration."""
    memory = _memory_bytes() // MEGABYTE
    settings: dict[str, str | int] = {
        "listen_addresses": "",
        "unix_socket_directories": socket_folder,
        "unix_socket_permissions": "0700",
        "max_connections": 200,
        # A step of a case locks ninety tables and indexes. As many as this need no look into the table that all share,
        # which was a sixteenth of what the step costs the database.
        "max_locks_per_transaction": 256,
        # An eighth, not the usual quarter: the application and its workers share the machine.
        "shared_buffers": f"{max(64, min(memory // 8, 4096))}MB",
        "effective_cache_size": f"{max(128, memory // 2)}MB",
        "work_mem": "16MB",
        "maintenance_work_mem": f"{max(64, min(memory // 32, 1024))}MB",
        "min_wal_size": "128MB",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        # Statements take milliseconds; compiling them takes hundreds.
        "jit": "off",
        "shared_preload_libraries": "pg_stat_statements",
        "pg_stat_statements.track_utility": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "on",
        "log_directory": "../log",
        "log_filename": "postgres-%a.log",
        "log_truncate_on_rotation": "on",
        "log_rotation_age": "1d",
        "log_rotation_size": 0,
        "log_checkpoints": "off",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        # Details and parameters carry what was typed about people.
        "log_error_verbosity": "terse",
        "log_parameter_max_length": 0,
        "log_parameter_max_length_on_error": 0,
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return "# Written by Cityloom at every start: changes here are lost.\n" + "".join(
        f"{name} = '{value}'\n" for name, value in settings.items()
    )


def _memory_bytes() -> int:
    """The memory this process may use: the machine's, or the container's where that is less."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            memory = min(memory, int(Path(limit).read_text()))
        except (OSError, ValueError):
            continue
    return memory
