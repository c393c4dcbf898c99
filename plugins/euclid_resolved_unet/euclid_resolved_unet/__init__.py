"""A small U-Net: Keras trains it, NumPy runs it."""

from euclid_resolved_unet.evaluation import evaluate_unet
from euclid_resolved_unet.files import read_unet
from euclid_resolved_unet.learning import train_unet
from euclid_resolved_unet.unet import UNet

__all__ = ["UNet", "evaluate_unet", "read_unet", "train_unet"]
