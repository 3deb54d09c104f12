"""The layers that can be made anew from the one below."""

from typing import Literal

Layer = Literal["silver", "gold"]
