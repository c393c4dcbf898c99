"""What a training set covered: estimates outside it are extrapolations."""

from dataclasses import dataclass

from euclid_resolved.features import make_features
from euclid_resolved.scale import Scale

__all__ = ["Domain"]


@dataclass(frozen=True, eq=False)
class Domain:
    """The range of bands and colours that a training set covered.

    Attributes
    ----------
    columns : tuple of str
        Bands and colours.
    scale : `~euclid_resolved.scale.Scale`
        Their smallest and largest value in the training set, dex and mag.
    """

    columns: tuple
    scale: Scale

    @classmethod
    def of(cls, brightness):
        """The domain of pixels, a mapping of band to surface brightness in MJy/sr."""
        table = make_features(brightness, ("bands", "colours"))
        return cls(table.columns, Scale(table.values.min(axis=0), table.values.max(axis=0)))

    def outside(self, brightness):
        """Which pixels lie outside the range in at least one column, a bool array."""
        values = make_features(brightness, ("bands", "colours"), columns=self.columns).values
        return ((values < self.scale.minimum) | (values > self.scale.maximum)).any(axis=1)
