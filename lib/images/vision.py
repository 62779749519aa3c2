"""torchvision, importable beside a CPU build of torch as well.

The PyPI wheel of torchvision is built against CUDA torch.  Beside a CPU torch its compiled operators do not load and
the import stops at ``operator torchvision::nms does not exist``.  The book uses data sets, transforms and networks,
never these operators, so declaring their schemas is enough.  Where torchvision is whole this module only imports it.
Import it before anything that imports torchvision itself (transformers does).
"""

import sys

import torch

_keep_alive = []

try:
    import torchvision
except RuntimeError as error:
    if "torchvision::nms" not in str(error):
        raise
    for name in [m for m in sys.modules if m.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    fragment = torch.library.Library("torchvision", "FRAGMENT")
    fragment.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    fragment.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _keep_alive.append(fragment)
    import torchvision

__all__ = ["torchvision"]
