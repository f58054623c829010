"""What the README names exists: commands, targets, folders."""

import re
from pathlib import Path

import click
from click.testing import CliRunner

from ops.cli.main import COMMANDS, cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_its_table_lists_every_command_and_no_other() -> None:
    listed = re.findall(r"^\| `lyceum (.+?)` \|", README, flags=re.MULTILINE)
    assert {line.split()[0] for line in listed} == set(COMMANDS)


def test_every_command_line_it_shows_is_understood() -> None:
    for line in re.findall(r"`lyceum ([a-z][^`]*)`", README):
        words = [word for word in line.replace("\\|", "|").split() if word.islower() and not word.startswith("-")]
        result = CliRunner().invoke(cli, [words[0], *(words[1].split("|")[:1] if len(words) > 1 else []), "--help"])
        assert result.exit_code == 0, (line, result.output)


def test_every_option_a_command_needs_is_shown_with_it() -> None:
    for line in re.findall(r"^\| `lyceum (.+?)` \|", README, flags=re.MULTILINE):
        command: click.Command = cli
        for word in line.split():
            if isinstance(command, click.Group) and word.islower():
                command = command.get_command(click.Context(command), word.split("\\|")[0]) or command
        options = {name: option for option in command.params for name in option.opts if name.startswith("--")}
        shown = set(re.findall(r"--[a-z-]+", line))
        assert shown <= set(options), line
        assert {name for name, option in options.items() if option.required} <= shown, line


def test_every_target_and_folder_it_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`?make ([a-z]+)", README):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    folders = re.findall(r"^\| `([a-z_]+/)` \|", README, flags=re.MULTILINE)
    assert len(folders) >= 7
    for folder in folders:
        assert (ROOT / folder).is_dir(), folder
    for file in re.findall(r"`((?:ops|tests|compose)/[\w/.]+\.\w+)`", README):
        assert (ROOT / file).is_file(), file
