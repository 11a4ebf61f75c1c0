"""The tests train as the command does."""
from hilum_training.memory import keep_freed

keep_freed()
