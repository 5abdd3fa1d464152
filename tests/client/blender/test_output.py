"""Log lines of Blender 2.7x to 5.x."""

import pytest

from sheepfold.client.blender.output import ERROR_LINES, LineFacts, parse_line
from sheepfold.protocol.codes import ErrorKind


@pytest.mark.parametrize(
    ("line", "facts"),
    [
        (
            "Fra:1 Mem:105.94M (0.00M, Peak 106.10M) | Time:00:05.12 | Remaining:00:12.34 | Mem:5.21M, Peak:5.21M "
            "| Scene, RenderLayer | Path Tracing Tile 3/40",
            LineFacts(3 / 40, 12.34, 108646),
        ),
        (
            "Fra:1 Mem:135.36M (Peak 136.28M) | Time:00:01.43 | Remaining:01:02:03.5 | Mem:0.99M, Peak:0.99M "
            "| Scene, View Layer | Rendered 3/16 Tiles, Sample 64/128",
            LineFacts(3.5 / 16, 3723.5, 139551),
        ),
        (
            "Fra:7 Mem:38.06M (Peak 2.5G) | Time:00:00.50 | Remaining:00:10.31 | Mem:12.30M, Peak:12.30M "
            "| Scene, ViewLayer | Sample 16/128",
            LineFacts(0.125, 10.31, 2621440),
        ),
        ("Fra:1 Mem:20.1M (Peak 20.1M) | Time:00:02.09 | Rendering 12 / 64 samples", LineFacts(12 / 64, None, 20582)),
        ("Fra:1 Mem:7.95M (0.00M, Peak 8.00M) | Time:00:00.07 | Scene | Part 3-135", LineFacts(3 / 135, None, 8192)),
        (
            "00:01.234  render           | Fra: 1 | Remaining: 00:12.5 | Mem: 12M | Scene, ViewLayer | Sample 1/32",
            LineFacts(1 / 32, 12.5, None),
        ),
        ("Fra:1 Mem:8.9M (Peak 10M) | Time:00:00.00 | Scene, ViewLayer | Initializing", LineFacts(None, None, 10240)),
        ("Fra:1 Mem:9M (Peak 9M) | Scene, ViewLayer | Sample 0/0", LineFacts(None, None, 9216)),
        ("Saved: '/tmp/42_0001.png'", LineFacts()),
        ("the tale of 3/4 tiles", LineFacts()),
        ("", LineFacts()),
    ],
)  # fmt: skip
def test_facts_of_a_line(line: str, facts: LineFacts) -> None:
    found = parse_line(line)
    assert found.fraction == (pytest.approx(facts.fraction) if facts.fraction is not None else None)
    assert (found.remaining, found.peak_kib, found.error) == (facts.remaining, facts.peak_kib, None)


@pytest.mark.parametrize(("text", "kind"), ERROR_LINES)
def test_telling_lines_name_their_kind(text: str, kind: ErrorKind) -> None:
    assert parse_line(f"prefix {text} suffix").error is kind


def test_all_kinds_of_failing_machines_are_told_apart() -> None:
    assert {kind for _, kind in ERROR_LINES} == {
        ErrorKind.OUT_OF_VIDEO_MEMORY,
        ErrorKind.GPU_UNSUPPORTED,
        ErrorKind.NO_OUTPUT_FILE,
        ErrorKind.OUT_OF_MEMORY,
        ErrorKind.RENDERER_CRASHED,
        ErrorKind.PYTHON_ERROR,
        ErrorKind.ENGINE_UNAVAILABLE,
        ErrorKind.DENOISING_UNSUPPORTED,
        ErrorKind.HEADLESS,
    }
