"""Weights of other software as files of ours."""

import numpy as np
import pytest
from gpts import make_gpt

from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.game import make_game
from gamecircuits.pipeline.stages.import_model import import_model
from gamecircuits.storage.files import file_digest
from gamecircuits.transformer.export import export_model
from gamecircuits.transformer.vocabulary import adapt_vocabulary
from gamecircuits.transformer.weights import read_model


def test_a_file_is_imported_with_the_tokens_of_its_game(tmp_path):
    settings = {"kind": "othello", "board_size": 4}
    game, theirs = make_game(**settings), make_gpt(np.random.default_rng(0), V=13, num_positions=11)
    export_model(theirs, "transformer_lens", tmp_path)
    path, out = tmp_path / "model.safetensors", str(tmp_path / "ours.safetensors")
    job = {"kind": "file", "path": str(path), "sha256": file_digest(path), "game": settings}
    import_model(out, job="{}", vocabulary="pad_playable", transposed=True, **job)
    wanted = adapt_vocabulary(theirs, game, "pad_playable", is_transposed=True)
    tokens = game.play(3, np.random.default_rng(0))[:, :8]
    found = read_model(out)
    np.testing.assert_allclose(found.logits(tokens), wanted.logits(tokens), atol=1e-12)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(GamecircuitsError, match="was changed after this job was planned"):
        import_model(out, job="{}", **job)
