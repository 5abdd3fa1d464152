"""What the farm thinks of an image, from what it is and what the project expects. Pure."""

from dataclasses import dataclass

from sheepfold.server.results.checks import Inspected, NotAnImage, Oversized
from sheepfold.server.results.models import Verdict


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a frame of the project must look like, and what is known of its other frames."""

    width: int
    height: int
    others_have_content: bool  # other machines' accepted frames of this project are not of one colour
    agreed_constant: bool  # another machine sent one colour for this very tile


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict and, for a refusal, why in words."""

    verdict: Verdict
    reason: str = ""


def judge(image: Inspected, expected: Expectation) -> Judgement:
    """Whether the image can be the frame."""
    if isinstance(image, NotAnImage):
        return Judgement(Verdict.UNDECODABLE, f"the file is not a readable image: {image.reason}")
    as_expected = (image.width, image.height) == (expected.width, expected.height)
    if isinstance(image, Oversized) or (expected.width and not as_expected):
        return Judgement(
            Verdict.WRONG_SIZE,
            f"the image has {image.width} x {image.height} pixels, the scene {expected.width} x {expected.height}",
        )
    if image.constant and expected.others_have_content and not expected.agreed_constant:
        return Judgement(Verdict.BLANK, "every pixel has the same colour, other machines' frames do not")
    return Judgement(Verdict.ACCEPTED)
