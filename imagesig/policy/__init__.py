"""What must hold of an image's signatures, and the verdict. Pure: keys are opened and clocks read by the caller."""

from imagesig.policy.judge import judge
from imagesig.policy.match import Identity
from imagesig.policy.requirement import KeyLike, KeyReference, Policy, Rule

__all__ = ["Identity", "KeyLike", "KeyReference", "Policy", "Rule", "judge"]
