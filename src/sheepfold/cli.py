"""The command `sheepfold`. A subcommand is imported when it is used: none waits for another's libraries."""

import importlib
import sys

import click

from sheepfold import __version__
from sheepfold.commands.errors import CommandError
from sheepfold.environment.parent import SUPERVISED, end_with_parent

COMMANDS = {
    "demo": ("sheepfold.commands.demo:demo", "Render a small animation on this machine, from nothing."),
    "serve": ("sheepfold.commands.serve:serve", "Run a farm's server."),
    "client": ("sheepfold.client.cli:client", "Render for a farm on this machine."),
    "submit": ("sheepfold.commands.projects:submit", "Upload a scene and start it."),
    "projects": ("sheepfold.commands.projects:projects", "List your projects."),
    "frames": ("sheepfold.commands.projects:frames", "List the frames of a project."),
    "download": ("sheepfold.commands.projects:download", "Save a project's finished frames."),
    "pause": ("sheepfold.commands.projects:pause", "Give out no more frames of a project."),
    "resume": ("sheepfold.commands.projects:resume", "Give out frames of a paused project again."),
    "cancel": ("sheepfold.commands.projects:cancel", "Stop a project; finished frames stay."),
    "machines": ("sheepfold.commands.machines:machines", "List the machines that render for you."),
    "renderer": ("sheepfold.commands.renderers:renderer", "Add and list Blender versions."),
    "user": ("sheepfold.commands.accounts:user", "Add people."),
    "key": ("sheepfold.commands.accounts:key", "Add render keys."),
    "token": ("sheepfold.commands.accounts:token", "Add tokens for programs."),
    "doctor": ("sheepfold.commands.doctor:doctor", "Say what this machine lacks and how to get it."),
    "simulate": ("sheepfold.commands.simulate:simulate_command", "Try a farm with a crowd of simulated machines."),
    "verify": ("sheepfold.commands.upkeep:verify", "Compare the database with the stored files."),
    "backup": ("sheepfold.commands.upkeep:backup", "Copy the whole farm into a folder while it runs."),
    "restore": ("sheepfold.commands.upkeep:restore", "Make a farm from a backup."),
    "gc": ("sheepfold.commands.upkeep:gc", "Delete what nothing has named for a day."),
    "cluster": ("sheepfold.commands.cluster:cluster", "Run a farm of several processes on this machine, to try it."),
    "migrate": ("sheepfold.commands.serve:migrate", "Bring the database to this version's shape."),
    "web": ("sheepfold.commands.serve:web", "One web process, for farms of several servers."),
    "background": ("sheepfold.commands.serve:background", "One job process, for farms of several servers."),
}


class LazyGroup(click.Group):
    """Knows its subcommands by name and place."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sheepfold")
@click.option(SUPERVISED, is_flag=True, hidden=True)
def cli(supervised: bool) -> None:
    """Sheepfold, a render farm for Blender that anyone can host. `sheepfold demo` shows it all."""
    if supervised:
        end_with_parent()


def main() -> None:
    """Run the command; an expected failure ends with words and status 1."""
    try:
        cli(prog_name="sheepfold")
    except CommandError as error:
        click.echo(f"sheepfold: {error}", err=True)
        sys.exit(1)
