"""The errors that users can cause; everything else that is raised is a defect of ours."""


class GamecircuitsError(ValueError):
    """Base of all expected errors: shown as one clear message, without a traceback."""


class ParameterError(GamecircuitsError):
    """A constructor argument, hence a config key, has a value that makes no sense.

    Attributes: key, value, allowed (a phrase that completes "allowed: ...").
    """

    def __init__(self, key: str, value: object, allowed: str):
        self.key, self.value, self.allowed = key, value, allowed
        super().__init__(f"{key} = {value!r} is not possible; allowed: {allowed}")


class GameError(GamecircuitsError):
    """Tokens that break a game's rules; names the game, the position, the token and why."""


class ArtefactError(GamecircuitsError):
    """A file that is damaged or not the one expected; says which command repairs it."""


class StorageError(GamecircuitsError):
    """A file that cannot be written, for want of space or of permission; says why."""
