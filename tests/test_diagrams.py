"""The diagrams show what they are given: every number, word and arrow."""

from matplotlib.patches import Circle, FancyArrowPatch

from tutorial_utils import diagrams


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def patches(figure, kind):
    return [patch for patch in figure.axes[0].patches if type(patch) is kind]


def test_a_network_has_a_column_for_each_size_and_dots_for_what_is_left_out():
    figure = diagrams.draw_network([784, 4, 2], ["784 pixels", "4", "2 logits"])
    assert texts(figure) == ["⋮", "784 pixels", "4", "2 logits"]
    assert len(patches(figure, Circle)) == 6 + 4 + 2
    assert len(figure.axes[0].lines) == 6 * 4 + 4 * 2
    assert texts(diagrams.draw_network([3, 2])) == ["3", "2"]


def test_a_cycle_has_a_box_for_each_step_and_an_arrow_from_each_to_the_next():
    figure = diagrams.draw_cycle(["forward", "backward", "step"])
    assert texts(figure) == ["forward", "backward", "step"]
    assert len(patches(figure, FancyArrowPatch)) == 3
