"""How the page looks: warm paper and ink, one accent; everything that Gradio's variables can say.

The rest is in gan/web/page.css.
"""

from __future__ import annotations

from gradio.themes import Base
from gradio.themes.utils import colors, fonts, sizes

ACCENT = colors.Color(
    name="tangerine", c50="#fff4ef", c100="#ffe5da", c200="#ffc9b4", c300="#ffa585", c400="#fb8158",
    c500="#e8613a", c600="#bf4520", c700="#a63a1b", c800="#832f18", c900="#6a2816", c950="#3a140a",
)  # fmt: skip
PAPER = colors.Color(
    name="paper", c50="#faf8f4", c100="#f4f1ea", c200="#e8e3d9", c300="#d4cdc0", c400="#a79f92",
    c500="#6b645a", c600="#5f594f", c700="#3a3631", c800="#24211e", c900="#1a1816", c950="#121110",
)  # fmt: skip


class _Optional(fonts.LocalFont):
    """Used where it is at hand at once: nothing moves when it comes, and it holds up nothing on a slow line."""

    def stylesheet(self) -> dict:
        found = super().stylesheet()
        return found | {"css": found["css"].replace("src:", "font-display: optional;\n    src:")}


def theme() -> Base:
    """The page's theme, light and dark; its fonts come with Gradio (the files there that hold Latin letters)."""
    return Base(
        primary_hue=ACCENT,
        secondary_hue=ACCENT,
        neutral_hue=PAPER,
        text_size=sizes.text_md,
        radius_size=sizes.radius_lg,
        font=(_Optional("IBM Plex Sans", weights=(400, 700)), "ui-sans-serif", "system-ui", "sans-serif"),
        font_mono=(_Optional("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"),
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_800",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_100",
        background_fill_secondary_dark="*neutral_800",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_700",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_padding="0px",
        block_shadow="none",
        block_shadow_dark="none",
        block_title_text_color="*neutral_600",
        block_title_text_color_dark="*neutral_400",
        block_title_text_size="*text_sm",
        block_title_text_weight="400",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_400",
        panel_background_fill="transparent",
        panel_background_fill_dark="transparent",
        panel_border_width="0px",
        form_gap_width="0px",
        input_background_fill="white",
        input_background_fill_dark="*neutral_800",
        input_border_color="*neutral_200",
        input_border_color_dark="*neutral_700",
        input_border_width="1px",
        input_radius="10px",
        input_shadow="none",
        input_shadow_focus="0 0 0 3px color-mix(in srgb, *primary_500 25%, transparent)",
        input_shadow_focus_dark="0 0 0 3px color-mix(in srgb, *primary_400 30%, transparent)",
        input_border_color_focus="*primary_500",
        input_border_color_focus_dark="*primary_400",
        slider_color="*primary_500",
        slider_color_dark="*primary_400",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_dark="transparent",
        checkbox_label_background_fill_hover="*neutral_100",
        checkbox_label_background_fill_hover_dark="*neutral_800",
        checkbox_label_background_fill_selected="*neutral_800",
        checkbox_label_background_fill_selected_dark="*neutral_100",
        checkbox_label_text_color_selected="white",
        checkbox_label_text_color_selected_dark="*neutral_900",
        checkbox_label_border_width="1px",
        checkbox_label_border_width_dark="1px",
        checkbox_label_border_color="*neutral_200",
        checkbox_label_border_color_dark="*neutral_700",
        checkbox_label_shadow="none",
        button_large_radius="12px",
        button_medium_radius="12px",
        button_small_radius="10px",
        button_transition="background-color .15s, border-color .15s, transform .05s",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_500",
        button_primary_background_fill_hover_dark="*primary_400",
        button_primary_text_color="white",
        button_primary_text_color_dark="*neutral_950",
        button_secondary_background_fill="white",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_border_color="*neutral_200",
        button_secondary_border_color_dark="*neutral_700",
        button_secondary_text_color="*neutral_800",
        button_secondary_text_color_dark="*neutral_100",
        button_border_width="1px",
    )
