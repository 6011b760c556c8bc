"""Interactive figures for the lectures; what each one shows can be had without it from `plots`."""

from coursekit.widgets._export import export_html
from coursekit.widgets.latent_explorer import LatentExplorer

__all__ = ["LatentExplorer", "export_html"]
