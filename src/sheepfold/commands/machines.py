"""`sheepfold machines`."""

import click

from sheepfold.commands.farm import Farm, with_farm
from sheepfold.commands.show import Column, Row, as_json_option, local_time, print_rows

MACHINES = (
    Column("machine", lambda row: row["id"], right=True),
    Column("name", lambda row: row["name"]),
    Column("state", lambda row: _state(row)),
    Column("cores", lambda row: row["cores"], right=True),
    Column("memory", lambda row: f"{row['ram_kib'] / 1024**2:.0f} GiB", right=True),
    Column("client", lambda row: row["client"]),
    Column("seen", lambda row: local_time(row["seen_at"])),
)


@click.command()
@as_json_option
@with_farm
def machines(farm: Farm, /, as_json: bool) -> None:
    """List your machines, the last heard of first."""
    print_rows(farm.get("machines"), MACHINES, as_json=as_json, nothing="No machine of yours has come yet.")


STOPS = {
    "stop-after-frame": "stops after its frame",
    "stop-now": "is being stopped",
    "stopped": "stopped from the site",
}


def _state(row: Row) -> str:
    if row["disabled_reason"]:
        return f"disabled: {row['disabled_reason']}"
    if row["stop"]:
        return STOPS[row["stop"]]
    if row["paused"]:
        return "paused"
    return "connected" if row["connected"] else "away"
