"""The errors a user of Daybook can meet. Each message says what was wrong, where, and what was expected."""

from __future__ import annotations


class DaybookError(Exception):
    """Base of all errors that are told to the user in one line, without a traceback."""


class ConfigError(DaybookError):
    """The configuration is wrong: the message names file, line, key, value and what was expected."""


class ContractError(DaybookError):
    """An event does not fulfil its contract: the message names the field's path."""


class MappingError(DaybookError):
    """An import mapping is wrong, or does not fit the file it is used on."""


class BrokerError(DaybookError):
    """The broker cannot be reached, refuses, or an address it needs is in use."""
