from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st


def load(name: str) -> Any:
    path = Path(__file__).resolve().parents[2] / "tools" / "bench" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hlo = load("hlo_cost")

# Three layers in a loop: a gathered weight, a product that is a fusion, a kernel; then a sum over devices.
MODULE = """\
HloModule jit_f, is_scheduled=true, entry_computation_layout={(f32[4,8]{1,0})->f32[4,8]{1,0}}

%fused (param_0.1: bf16[3,8,8], param_1.1: s32[], param_2.1: bf16[4,8]) -> bf16[4,8] {
  %param_0.1 = bf16[3,8,8]{2,1,0:T(8,128)(2,1)} parameter(0)
  %param_1.1 = s32[]{:T(128)} parameter(1)
  %param_2.1 = bf16[4,8]{1,0:T(8,128)(2,1)S(1)} parameter(2)
  %slice.1 = bf16[1,8,8]{2,1,0} dynamic-slice(%param_0.1, %param_1.1), dynamic_slice_sizes={1,8,8}
  %layer.1 = bf16[8,8]{1,0} bitcast(%slice.1)
  ROOT %convolution.1 = bf16[4,8]{1,0} convolution(%param_2.1, %layer.1), dim_labels=bf_io->bf
}

%body (state: (s32[], bf16[4,8], bf16[3,8,8])) -> (s32[], bf16[4,8], bf16[3,8,8]) {
  %state = (s32[]{:T(128)}, bf16[4,8]{1,0}, /*index=2*/bf16[3,8,8]{2,1,0}) parameter(0)
  %i = s32[]{:T(128)} get-tuple-element(%state), index=0
  %x = bf16[4,8]{1,0:T(8,128)(2,1)S(1)} get-tuple-element(%state), index=1
  %w = bf16[3,8,8]{2,1,0} get-tuple-element(%state), index=2
  %all-gather.1 = bf16[8,8]{1,0} all-gather(%x), channel_id=5, dimensions={0}
  %all-gather.2 = bf16[8,8]{1,0:S(1)} all-gather(%x), channel_id=5, dimensions={0}
  %fusion.1 = bf16[4,8]{1,0:T(8,128)(2,1)} fusion(%w, %i, %x), kind=kOutput, calls=%fused
  %splash_mha_fwd.3 = bf16[4,8]{1,0:S(1)} custom-call(%fusion.1, %x), custom_call_target="tpu_custom_call"
  ROOT %tuple.1 = (s32[], bf16[4,8], bf16[3,8,8]) tuple(%i, %splash_mha_fwd.3, %w)
}

%condition (state.1: (s32[], bf16[4,8], bf16[3,8,8])) -> pred[] {
  %state.1 = (s32[]{:T(128)}, bf16[4,8]{1,0}, bf16[3,8,8]{2,1,0}) parameter(0)
  %i.1 = s32[]{:T(128)} get-tuple-element(%state.1), index=0
  %three = s32[]{:T(128)} constant(3)
  ROOT %lt = pred[] compare(%i.1, %three), direction=LT
}

ENTRY %main (x.1: bf16[4,8], w.1: bf16[3,8,8]) -> f32[4,4] {
  %x.1 = bf16[4,8]{1,0} parameter(0)
  %w.1 = bf16[3,8,8]{2,1,0} parameter(1)
  %zero = s32[] constant(0)
  %start = (s32[], bf16[4,8], bf16[3,8,8]) tuple(%zero, %x.1, %w.1)
  %while.1 = (s32[], bf16[4,8]{1,0}, bf16[3,8,8]{2,1,0}) while(%start), condition=%condition, body=%body
  %y = bf16[4,8]{1,0} get-tuple-element(%while.1), index=1
  %slice-start.1 = ((bf16[3,8,8]{2,1,0}), bf16[1,8,8]{2,1,0:S(1)}, s32[]{:S(2)}) slice-start(%w.1)
  %dot.1 = f32[4,4]{1,0} dot(%y, %y), lhs_contracting_dims={1}, rhs_contracting_dims={1}
  ROOT %all-reduce.1 = f32[4,4]{1,0} all-reduce(%dot.1), channel_id=1, to_apply=%add
}
"""


def test_loops_are_multiplied_out() -> None:
    found = hlo.summarize(MODULE)
    assert found["flops"] == 3 * 2 * 4 * 8 * 8 + 2 * 4 * 4 * 8
    # The same gather woven into two places is one; its result and that of the sum.
    assert found["collectives"] == {"all-gather": (3, 3 * 8 * 8 * 2.0), "all-reduce": (1, 4 * 4 * 4.0)}
    assert found["kernels"] == {"splash_mha_fwd": 3}


def test_memory_on_the_chip_is_free_and_slices_cost_what_they_take() -> None:
    program = hlo.parse(MODULE)
    body = program.computations["body"]
    # A layer's slice of the weights, the counter, and the result; the activation is on the chip.
    assert hlo._traffic(body["fusion.1"], body, program) == 8 * 8 * 2 + 4 + 4 * 8 * 2
    assert hlo._traffic(body["all-gather.2"], body, program) == 0
    # An asynchronous slice fetches its part of the array that its result also names.
    main = program.computations["main"]
    assert hlo._traffic(main["slice-start.1"], main, program) == 8 * 8 * 2


def test_a_loop_that_may_end_early_counts_once() -> None:
    early = "  %and = pred[] and(%lt.1, %lt.1)\n  ROOT %other = pred[] copy(%and)"
    text = MODULE.replace("  ROOT %lt = ", "  %lt.1 = ").replace("direction=LT\n", f"direction=LT\n{early}\n")
    assert hlo.summarize(text)["kernels"] == {"splash_mha_fwd": 1}


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(0, 4),
    st.integers(1, 4), st.integers(1, 3),
)  # fmt: skip
def test_padding_is_not_counted(
    outputs: int, inputs: int, size: int, stride: int, pad: int, spread: int, step: int
) -> None:
    expected = 0
    for out in range(outputs):
        for tap in range(size):
            place = out * stride + tap * step - pad
            expected += place % spread == 0 and 0 <= place // spread < inputs
    assert hlo._pairs(outputs, inputs, size, stride, pad, spread, step) == expected


@pytest.mark.parametrize(
    ("line", "left", "right", "flops"),
    [
        # A batch of products, written by the TPU compiler as a window that meets one input each time.
        (
            "f32[4,256,8,12] convolution(%a, %b), window={size=4x256 stride=3x255 lhs_dilate=4x256}, "
            "dim_labels=01bf_01io->01bf",
            "f32[4,256,8,64]", "f32[4,256,64,12]", 2 * 4 * 256 * 8 * 64 * 12,
        ),
        # The other way: the weight's batch slides over padding.
        (
            "f32[8,9,4,256] convolution(%a, %b), window={size=4x1 pad=3_3x0_0 rhs_reversal=1x0}, "
            "dim_labels=bf10_0oi1->b10f",
            "f32[8,9,9,1]", "f32[4,256,9,1]", 2 * 8 * 9 * 9 * 4 * 256,
        ),
        # Two contracted axes: one of them is the window.
        ("f32[6,5,1] convolution(%a, %b), window={size=4}, dim_labels=0fb_0io->bf0",
         "f32[4,7,6]", "f32[4,7,5]", 2 * 4 * 7 * 6 * 5),
        ("f32[2,3,5] dot(%a, %b), lhs_batch_dims={0}, lhs_contracting_dims={2}",
         "f32[2,3,7]", "f32[2,7,5]", 2 * 2 * 3 * 7 * 5),
    ],
)  # fmt: skip
def test_products(line: str, left: str, right: str, flops: int) -> None:
    text = (
        f"ENTRY %main (a: {left}, b: {right}) -> {line.split()[0]} {{\n"
        f"  %a = {left} parameter(0)\n  %b = {right} parameter(1)\n  ROOT %c = {line}\n}}\n"
    )
    assert hlo.summarize(text)["flops"] == flops
