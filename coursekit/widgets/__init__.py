"""Interactive figures for the lectures; what each one shows can be had without it from `plots`."""

from coursekit.widgets._export import export_html
from coursekit.widgets.latent_explorer import LatentExplorer
from coursekit.widgets.noise_explorer import NoiseExplorer
from coursekit.widgets.picture_slider import PictureSlider

__all__ = ["LatentExplorer", "NoiseExplorer", "PictureSlider", "export_html"]
