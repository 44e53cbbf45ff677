"""Where an interrupted training job goes on: its state in one file beside the results.

The file is not an output of the workflow, which removes what a failed job has written. It says
which job it belongs to, and has a checksum; of another job, or damaged, it is as good as none.
"""

import hashlib
import time
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gamecircuits.storage.files import write_atomically


class Checkpoint:
    """The newest state of one job.

    Attributes:
        path: of the file, safetensors.
        job: text of the job that is under way.
        interval: seconds between two writes at least.
    """

    def __init__(self, path: Path | str, job: str, interval: float = 20.0):
        self.path, self.job, self.interval = Path(path), job, interval
        self._written = time.monotonic()

    def load(self) -> dict[str, np.ndarray]:
        """The tensors that were written last, none if there is nothing to go on with."""
        try:
            with safe_open(self.path, framework="numpy") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            is_mine = metadata.get("state") == _digest(self.job, tensors)
            return tensors if is_mine else {}
        except (OSError, SafetensorError):
            return {}

    def is_due(self) -> bool:
        return time.monotonic() - self._written >= self.interval

    def write(self, tensors: dict[str, np.ndarray]) -> None:
        """Replace what was written before."""
        contiguous = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
        with write_atomically(self.path) as temporary:
            temporary.write_bytes(
                save(contiguous, metadata={"state": _digest(self.job, contiguous)})
            )
        self._written = time.monotonic()

    def remove(self) -> None:
        """The job is done."""
        self.path.unlink(missing_ok=True)


def _digest(job: str, tensors: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(job.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tensor.shape}\n".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()
