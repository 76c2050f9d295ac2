"""What the optimiser changes: float32 masters of the parameters that are trained, and AdamW on them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

LEARNED, GOOD, KEPT = "learned", "good", "kept"  # names of what lies in a state's tensors
_MOMENTS = "adam."


class MasterWeights:
    """Float32 copies of what is trained; what lies in the model may be bfloat16, which rounds small changes away.

    Each kind lies in one tensor, since the optimiser has some milliseconds' work with hundreds.

    Args:
        working: the trained parameters in the model.
        decay: weight decay.
        rounded: whether what answers are the parameters in their own number format, as `Inserted` has it: a state to go
            back to is held in that, and so told.

    Attributes:
        gradients: of the masters, in the order of the parameters.
        kept: the masters as they were when they were kept last; None where they never were.
    """

    def __init__(self, working: Sequence[torch.Tensor], decay: float, rounded: bool = False) -> None:
        self.working = list(working)
        self._decay = decay
        count, device = sum(p.numel() for p in self.working), self.working[0].device
        self._flat = flat = torch.empty(count, device=device).requires_grad_()
        flat.grad = torch.zeros_like(flat)
        self._masters, self.gradients = self._views(flat.detach()), self._views(flat.grad)
        torch._foreach_copy_(self._masters, [p.detach() for p in self.working])
        if rounded:
            _dither(self._masters, self.working)
        self._held_in = self.working[0].dtype if rounded else flat.dtype
        self._good = flat.detach().to(self._held_in, copy=True)
        self.kept: torch.Tensor | None = None
        self.start_anew()

    def start_anew(self) -> None:
        """Forget what the optimiser remembers of earlier steps."""
        self.optimiser = torch.optim.AdamW([self._flat], weight_decay=self._decay, fused=True)

    def take_gradients(self, largest: float) -> float:
        """Move the gradients from the working parameters to the masters, scaled down to this norm where theirs is
        larger; returns what it was."""
        missing = torch.zeros((), device=self._flat.device)
        found = [p.grad if p.grad is not None else missing.expand_as(p) for p in self.working]
        torch._foreach_copy_(self.gradients, found)
        self.drop_gradients()
        return float(torch.nn.utils.clip_grad_norm_(self._flat, largest))

    def hand_over(self) -> list[torch.Tensor | None]:
        """The gradients that lie in the working parameters, which have none afterwards."""
        found = [p.grad for p in self.working]
        self.drop_gradients()
        return found

    def lay_in(self, gradients: Sequence[torch.Tensor | None]) -> None:
        """Gradients into the working parameters, as if they had been computed there."""
        for parameter, gradient in zip(self.working, gradients, strict=True):
            parameter.grad = gradient

    def drop_gradients(self) -> None:
        """Leave none in the working parameters."""
        for parameter in self.working:
            parameter.grad = None

    def step(self, rate: float) -> None:
        """Take a step by the gradients, which are numbers; it can be taken back."""
        self._good.copy_(self._flat.detach())
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self._publish()

    @torch.no_grad()
    def turn_back(self) -> None:
        """To before the last step."""
        self._flat.copy_(self._good)
        self._publish()

    @property
    def finite(self) -> bool:
        """Whether all of them are numbers."""
        return bool(torch.isfinite(self._flat).all())

    def keep(self) -> None:
        """Keep them as they are now."""
        if self.kept is None:
            self.kept = torch.empty_like(self._good)
        self.kept.copy_(self._flat.detach())

    @torch.no_grad()
    def put_back(self) -> None:
        """What was kept, if anything was."""
        if self.kept is not None:
            self._flat.copy_(self.kept)
            self._publish()

    def lie_in(self, working: Sequence[torch.Tensor]) -> None:
        """Train other parameters of the same shapes from here on, which take the masters' values."""
        self.working = list(working)
        self._publish()

    def values(self) -> list[torch.Tensor]:
        """The masters, copied, in the order of the parameters; as they answer."""
        return [m.to(self._held_in, copy=True) for m in self._masters]

    def state(self) -> dict[str, torch.Tensor]:
        """All that the next step depends on, and what was kept; on the CPU."""
        tensors = {LEARNED: self._flat.detach(), GOOD: self._good}
        tensors |= {_MOMENTS + name: tensor for name, tensor in self.optimiser.state[self._flat].items()}
        if self.kept is not None:
            tensors[KEPT] = self.kept
        return {name: tensor.cpu() for name, tensor in tensors.items()}

    @torch.no_grad()
    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from what `state` returned.

        Raises:
            RuntimeError: it is of something else.
        """
        self._flat.copy_(state[LEARNED])
        self._good.copy_(state[GOOD])
        if KEPT in state:
            self.kept = state[KEPT].to(self._flat.device)
        moments = {n.removeprefix(_MOMENTS): t for n, t in state.items() if n.startswith(_MOMENTS)}
        if moments:
            self.optimiser.state[self._flat] = {n: t.to(self._flat.device) for n, t in moments.items()}
        self._publish()

    def _views(self, flat: torch.Tensor) -> list[torch.Tensor]:
        """Each parameter's part of what lies in one tensor for all of them."""
        parts = flat.split([p.numel() for p in self.working])
        return [part.view(p.shape) for part, p in zip(parts, self.working, strict=True)]

    @torch.no_grad()
    def _publish(self) -> None:
        torch._foreach_copy_(self.working, self._masters)


@torch.no_grad()
def _dither(masters: Sequence[torch.Tensor], working: Sequence[torch.Tensor]) -> None:
    """Lay each master anywhere among the numbers that round to its parameter, drawn from torch's generator.

    In the middle of these, where it is copied to, none of the first steps would reach another bfloat16 number, if they
    are as small as those of all weights have to be; so as many do, on the average, as if nothing were rounded.
    """
    for master, parameter in zip(masters, working, strict=True):
        if parameter.dtype == master.dtype:
            continue
        apart = torch.ldexp(torch.full_like(master, torch.finfo(parameter.dtype).eps / 2), master.frexp().exponent)
        drawn = master + (torch.rand_like(master) - 0.5) * apart
        master.copy_(torch.where(drawn.to(parameter.dtype) == parameter, drawn, master))
