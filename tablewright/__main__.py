"""The command, as `python -m tablewright`."""

from tablewright.sweep import start

start()
