from ._comparison import (
    plot_galaxy as plot_galaxy,
    plot_predicted_against_true as plot_predicted_against_true,
)
from ._maps import (
    plot_band as plot_band,
    plot_image as plot_image,
    plot_map as plot_map,
    plot_maps as plot_maps,
    plot_uncertainty as plot_uncertainty,
)
from ._quality import plot_quality as plot_quality
from ._quick_look import quicklook as quicklook
from ._style import (
    figure_size as figure_size,
    paper_style as paper_style,
    save_figure as save_figure,
)
