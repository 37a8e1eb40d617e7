import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch

from cbi_pipeline.forecasting import build_untrained
from cbi_pipeline.forecasting.export import (
    OUTPUT_NAMES,
    input_names,
    real_inputs,
    save_onnx,
    save_program,
    to_program,
)
from cbi_pipeline.forecasting.latency import latency, memory
from cbi_pipeline.forecasting.networks.cross import CrossConfig
from cbi_pipeline.forecasting.networks.lstm_attention import RecipeConfig
from cbi_pipeline.forecasting.networks.mlp import MlpConfig
from cbi_pipeline.forecasting.networks.nhits import NhitsConfig
from cbi_pipeline.forecasting.networks.patch_transformer import PatchTransformerConfig
from cbi_pipeline.forecasting.networks.recurrent import RecurrentConfig
from cbi_pipeline.forecasting.networks.tcn import TcnConfig
from tests.recipes import tiny

NETWORKS = {
    "gru": RecurrentConfig(hidden=6),
    "bilstm": RecurrentConfig(cell="bilstm", hidden=6),
    "recipe": RecipeConfig(extractor=8, hidden=8, heads=2, layers=2),
    "mlp": MlpConfig(hidden=8),
    "tcn": TcnConfig(hidden=4, blocks=2),
    "patch_transformer": PatchTransformerConfig(hidden=8, heads=2, patch=5),
    "nhits": NhitsConfig(hidden=8, state=2, pools=(4, 1)),
    "cross": CrossConfig(encoder=RecurrentConfig(hidden=8), heads=2),
}
ROWS = np.arange(20, 60)
QUICK = ("mlp",)
SLOW = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS]


def forecaster(name: str, panel):
    recipe = dataclasses.replace(
        tiny("test-1"), network=NETWORKS[name], mode="joint" if name == "cross" else "pooled"
    )
    made = build_untrained(recipe, panel, torch.arange(10, 300))
    generator = torch.Generator().manual_seed(0)
    for parameter in made.network.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return made


@pytest.mark.parametrize("name", SLOW)
def test_the_exported_program_answers_like_the_model_at_any_batch_size(name, panel):
    model = forecaster(name, panel)
    program = to_program(model, panel, ROWS[:4]).module()
    for size in (1, 2, 7, 40):
        inputs = real_inputs(model, panel, ROWS[:size])
        with torch.no_grad():
            found, expected = program(*inputs.tensors()), model.network(inputs)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_a_saved_program_needs_no_class_of_ours(panel, tmp_path):
    model = forecaster("mlp", panel)
    save_program(model, panel, ROWS, tmp_path / "model.pt2")
    program = torch.export.load(tmp_path / "model.pt2").module()
    inputs = real_inputs(model, panel, ROWS[:3])
    torch.testing.assert_close(program(*inputs.tensors())[0], model.network(inputs).q_BHCQ)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_onnx_model_answers_like_the_model_at_any_batch_size(name, panel, tmp_path):
    model, path = forecaster(name, panel), tmp_path / "model.onnx"
    save_onnx(model, panel, ROWS, path)
    session = onnxruntime.InferenceSession(path)
    assert tuple(node.name for node in session.get_outputs()) == OUTPUT_NAMES
    wanted = {node.name for node in session.get_inputs()}
    for size in (1, 2, 7, 40):
        inputs = real_inputs(model, panel, ROWS[:size])
        given = {
            n: x.numpy()
            for n, x in zip(input_names(model), inputs.tensors(), strict=True)
            if n in wanted
        }
        found = session.run(None, given)
        with torch.no_grad():
            expected = model.network(inputs)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b.numpy(), rtol=1e-4, atol=1e-6)


def test_the_suffix_decides_and_no_other_file_is_overwritten(panel, tmp_path):
    model = forecaster("mlp", panel)
    with pytest.raises(ValueError, match=r"suffix \.pt2"):
        save_program(model, panel, ROWS, tmp_path / "model.pth")
    with pytest.raises(ValueError, match=r"suffix \.onnx"):
        save_onnx(model, panel, ROWS, tmp_path / "model.pt2")
    assert list(tmp_path.iterdir()) == []


def test_one_sample_cannot_show_the_batch_axis(panel):
    with pytest.raises(ValueError, match="at least two samples"):
        to_program(forecaster("mlp", panel), panel, ROWS[:1])


def test_latency_counts_samples_and_leaves_the_model_as_it_was(panel):
    model = forecaster("mlp", panel)
    model.network.train()
    found = latency(model, panel, ROWS, calls=20, warmup=2)
    assert found.batch_size == 40
    assert 0 < found.p50 <= found.p95 <= found.p99
    assert found.samples_per_second == pytest.approx(40 / found.mean)
    assert model.network.training
    with pytest.raises(ValueError, match="at least one call"):
        latency(model, panel, ROWS, calls=0)


def test_memory_counts_parameters_buffers_and_inputs(panel):
    model = forecaster("mlp", panel)
    found = memory(model, panel, ROWS)
    tensors = [*model.network.parameters(), *model.network.buffers()]
    assert found.weights == sum(t.nbytes for t in tensors) / 2**20
    assert found.inputs == sum(x.nbytes for x in real_inputs(model, panel, ROWS).tensors()) / 2**20
    assert found.forward is None
