"""The directive ``bands-table``: the built-in bands as the package knows them, so that no page is behind."""

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from euclid_resolved.plugins import describe

HEAD = (
    "band",
    "pivot [A]",
    "edges [A]",
    "A/E(B-V)",
    "PSF",
    "sky, one sigma",
    "passband",
    "mosaics",
    "other names",
)


def rows():
    """The cells of each band."""
    for plugin in describe():
        if plugin.kind == "instruments" and plugin.distribution == "euclid_resolved":
            yield from map(cells, plugin.value)


def cells(band):
    """What is known of a band, in words."""
    sky = "" if band.sky_rms is None else f"{band.sky_rms.value:g} {band.sky_rms.unit}"
    return (
        f"``{band.name}``",
        f"{band.pivot.value:.0f}",
        "{:.0f} to {:.0f}".format(*band.edges.value),
        f"{band.extinction:.3f}",
        "" if band.psf_fwhm is None else f'{band.psf_fwhm.value:.2f}"',
        sky,
        f"``{band.passband}``" if isinstance(band.passband, str) else "analytic",
        "" if band.mer is None else f"``{band.mer}``",
        ", ".join(f"``{name}``" for name in band.aliases),
    )


class BandsTable(Directive):
    """A table of all built-in bands."""

    def run(self):
        """The table."""
        lines = [".. list-table::", "   :header-rows: 1", ""]
        for row in (HEAD, *rows()):
            lines += [f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(row)]
        node = nodes.Element()
        self.state.nested_parse(StringList(lines, "bands-table"), self.content_offset, node)
        return node.children


def setup(app):
    """For Sphinx."""
    app.add_directive("bands-table", BandsTable)
    return {"parallel_read_safe": True}
