"""A cell's weights: safetensors that any program reads, with a checksum; those of earlier versions still load."""

import io
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bench.records.folder import EARLIER_WEIGHTS, WEIGHTS, CellFolder
from bench.records.packs import pack
from bench.records.seals import check_seal, read_sealed, write_sealed
from bench.records.storage import CorruptRecord
from bench.records.unpacking import unpack
from bench.run.plan import plan
from infogan.weights import packed, recorded
from tests.bench.tracked_cells import done_cell, make_cell
from tests.small_weights import small_weights

OWNER, OTHER = "ab" * 32, "cd" * 32


def states() -> dict[str, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    layers = {
        "wide": torch.randn(3, 5, generator=generator).T,
        "number": torch.tensor(7),
        "half": torch.randn(4, generator=generator).bfloat16(),
    }
    return {"generator": layers, "discriminator": {"layer": torch.randn(2, 2, generator=generator)}}


def earlier(folder: CellFolder) -> CellFolder:
    """Rewrite the cell as an earlier version wrote it."""
    content = io.BytesIO()
    torch.save(states(), content)
    write_sealed(folder.path / EARLIER_WEIGHTS, content.getvalue(), folder.key)
    (folder.path / WEIGHTS).unlink()
    return folder


def assert_equal(found: dict[str, dict[str, torch.Tensor]]) -> None:
    for network, tensors in states().items():
        assert found[network].keys() == tensors.keys()
        assert all(torch.equal(found[network][name], tensor) for name, tensor in tensors.items())


def test_any_program_reads_the_file_of_a_cell(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path, key=OWNER)
    folder.write_weights(packed(states()))
    tensors = load_file(tmp_path / WEIGHTS)
    assert torch.equal(tensors["generator.wide"], states()["generator"]["wide"])
    assert_equal(recorded(folder.weights()))
    first = (tmp_path / WEIGHTS).read_bytes()
    folder.write_weights(folder.weights())  # a seal of its own is replaced
    assert (tmp_path / WEIGHTS).read_bytes() == first


def test_every_changed_byte_is_found_and_another_owner_too(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS
    write_sealed(path, small_weights(), OWNER)
    sound = path.read_bytes()
    assert read_sealed(path, OWNER) == sound
    check_seal(path, OWNER)
    for at in range(len(sound)):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        with pytest.raises(CorruptRecord):
            read_sealed(path, OWNER)
    for changed in (b"", sound[:7], sound[:-1], sound + b"x", small_weights(), b"\xff" * 100, b"[" * 10_000):
        path.write_bytes(changed)
        with pytest.raises(CorruptRecord, match=r"weights.safetensors: checksum does not match"):
            read_sealed(path, OWNER)
        with pytest.raises(CorruptRecord, match=r"^weights.safetensors: cut off$"):
            check_seal(path, OWNER)
    path.write_bytes(sound)
    for read in (check_seal, read_sealed):
        with pytest.raises(CorruptRecord, match=f"^weights.safetensors: a record of another cell, {OWNER[:12]}$"):
            read(path, OTHER)


def test_a_cell_of_an_earlier_version_is_done_and_its_weights_load(tmp_path: Path) -> None:
    cell = make_cell(0)
    folder = earlier(done_cell(tmp_path, cell))
    assert (folder.state(), folder.end_damage(), folder.weights_name()) == ("done", None, EARLIER_WEIGHTS)
    assert_equal(recorded(folder.weights()))
    (planned,) = plan(tmp_path, [cell], None)
    assert planned.state == "done"
    folder.write_weights(packed(states()))  # of a cell that is trained anew
    assert (folder.weights_name(), (folder.path / EARLIER_WEIGHTS).exists()) == (WEIGHTS, False)


@pytest.mark.parametrize("weights", [True, False])
def test_a_pack_of_such_a_cell_travels_and_is_done(tmp_path: Path, weights: bool) -> None:
    cell = make_cell(0)
    earlier(done_cell(tmp_path / "here", cell))
    pack(tmp_path / "here", tmp_path / "one.zip", weights=weights)
    unpack([tmp_path / "one.zip"], tmp_path / "there")
    folder = CellFolder.of(tmp_path / "there", cell)
    assert (folder.state(), folder.end_damage(), folder.lacks_weights()) == ("done", None, not weights)
    pack(tmp_path / "there", tmp_path / "two.zip", weights=weights)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    pack(tmp_path / "here", tmp_path / "full.zip", weights=True)
    unpack([tmp_path / "full.zip"], tmp_path / "there")
    assert not folder.lacks_weights()
    assert_equal(recorded(folder.weights()))
