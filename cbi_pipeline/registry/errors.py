"""What can go wrong with the registry, drawn as a tree.

RegistryError
├── RegistryEmpty       nothing registered yet, or no such version or alias
├── RegistryDamaged     what is stored is not what was registered
├── RegistryUnreadable  a model was written with options that this version of the code lacks
├── RegistryUnreachable the tracking server does not answer
└── RegistryMismatch    the warehouse names versions that the registry does not hold
"""


class RegistryError(Exception):
    """Base of every error of the registry; the message is one line and says what to do."""


class RegistryEmpty(RegistryError):
    """Nothing is registered under that name, version or alias."""


class RegistryDamaged(RegistryError):
    """A stored model is incomplete, or its bytes are not those that were registered."""


class RegistryUnreadable(RegistryError):
    """A stored model is whole, but this version of the code cannot build it."""


class RegistryUnreachable(RegistryError):
    """The tracking server does not answer."""


class RegistryMismatch(RegistryError):
    """The decisions and versions handed in do not fit what the registry holds."""
