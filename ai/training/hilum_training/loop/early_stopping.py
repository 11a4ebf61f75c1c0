"""Which validation was the best so far, and whether it is long ago."""
from dataclasses import dataclass

# A gain below this is noise: with a few hundred images, AUC itself moves by more. Within it, the smaller loss decides:
# a small set may be ranked without a fault long before the probabilities are any good.
LEAST_GAIN = 1e-4


@dataclass
class Best:
    """`waited` counts the validations since the best one. Higher scores are better."""

    score: float = float("-inf")
    loss: float = float("inf")
    epoch: int = -1
    waited: int = 0

    def saw(self, score: float, loss: float, epoch: int) -> bool:
        """Note a validation; true if it is the best so far."""
        gain = score - self.score
        if gain > LEAST_GAIN or (gain >= -LEAST_GAIN and loss < self.loss):
            self.score, self.loss, self.epoch, self.waited = max(score, self.score), loss, epoch, 0
            return True
        self.waited += 1
        return False

    def exhausted(self, patience: int) -> bool:
        """`patience` 0 never is."""
        return bool(patience) and self.waited >= patience
