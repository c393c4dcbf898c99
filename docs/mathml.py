"""Formulas as MathML, which browsers draw by themselves: no script, no network."""

from docutils.utils.math.latex2mathml import tex2mathml


def _inline(translator, node):
    translator.body.append(tex2mathml(node.astext()))


def _block(translator, node):
    translator.body.append(f'<div class="formula">{tex2mathml(node.astext(), as_block=True)}</div>')


def _done(translator, node):
    pass


def _whole(visit):
    """What was written stands for the node: its text is not written again."""

    def visited(translator, node):
        from docutils.nodes import SkipNode

        visit(translator, node)
        raise SkipNode

    return visited


def setup(app):
    """Offer the renderer ``mathml`` to ``html_math_renderer``."""
    app.add_html_math_renderer("mathml", (_whole(_inline), _done), (_whole(_block), _done))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
