"""The three kinds of blame: the world (`BrokerFault`), the operator's files (`ConfigError`), our own code (`Bug`)."""


class QuantdError(Exception):
    """Base of every error this program raises on purpose."""


class BrokerFault(QuantdError):
    """The broker or the feed did something outside the protocol; the daemon degrades and asks again."""


class ConfigError(QuantdError):
    """A config value is missing, unknown or out of bounds. The text names the field and the remedy."""


class Refused(QuantdError):
    """An operator command was understood and refused; the text says why and what to do instead."""


class JournalError(QuantdError):
    """The journal cannot be read or written as it must be."""


class Bug(QuantdError):
    """An invariant of our own is broken: cancel all, stop, recover. Never caught below the supervised edge."""
