import pytest
import torch
from torch import nn

from tutorial_utils.models import ConvNet, MixedNorm, NeuralNetwork, count_parameters


@pytest.mark.parametrize("model_class", [NeuralNetwork, ConvNet])
@pytest.mark.parametrize("examples", [1, 5])
def test_images_become_one_row_of_ten_logits_each(model_class, examples):
    logits = model_class()(torch.rand(examples, 1, 28, 28))
    assert logits.shape == (examples, 10)
    assert logits.dtype == torch.float32
    assert not torch.allclose(logits.sum(dim=1), torch.ones(examples))  # no softmax yet


@pytest.mark.parametrize("model_class", [NeuralNetwork, ConvNet])
def test_the_logits_of_an_image_do_not_depend_on_its_batch(model_class):
    model, images = model_class(), torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(model(images)[2:3], model(images[2:3]))


def test_the_network_is_three_matrix_products_with_relu_between():
    model, images = NeuralNetwork(), torch.rand(3, 1, 28, 28)
    first, _, second, _, third = model.linear_relu_stack
    x = images.reshape(3, 784)
    x = (x @ first.weight.T + first.bias).clamp(min=0)  # (3, 512)
    x = (x @ second.weight.T + second.bias).clamp(min=0)  # (3, 512)
    torch.testing.assert_close(model(images), x @ third.weight.T + third.bias)


def test_parameters_are_counted_by_the_formula():
    assert count_parameters(NeuralNetwork()) == (784 + 1) * 512 + (512 + 1) * 512 + (512 + 1) * 10 == 669_706
    assert count_parameters(ConvNet()) == (9 + 1) * 16 + (16 * 9 + 1) * 32 + (32 * 49 + 1) * 10 == 20_490


def test_frozen_parameters_do_not_count():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    model[0].requires_grad_(False)
    assert count_parameters(model) == 3


def test_lazy_layers_cannot_be_counted_before_they_have_seen_a_batch_and_pytorch_says_so():
    model = nn.Sequential(nn.LazyLinear(3))
    with pytest.raises(ValueError, match="Call `forward` with a dummy batch to initialize the parameters"):
        count_parameters(model)
    model(torch.rand(2, 4))
    assert count_parameters(model) == (4 + 1) * 3


@pytest.mark.parametrize("model_class", [NeuralNetwork, ConvNet])
def test_the_same_seed_makes_the_same_model(model_class):
    torch.manual_seed(7)
    first = model_class().state_dict()
    torch.manual_seed(7)
    second = model_class().state_dict()
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_half_of_the_channels_are_normalised_within_each_picture_and_the_others_over_the_batch():
    images = torch.rand(4, 6, 5, 5) * torch.tensor([1.0, 2, 3, 4]).reshape(4, 1, 1, 1)
    within, over = MixedNorm(6)(images).split(3, dim=1)
    for part, places in ((within, (2, 3)), (over, (0, 2, 3))):
        means = part.mean(dim=places)
        deviations = part.std(dim=places, correction=0)
        torch.testing.assert_close(means, torch.zeros_like(means), atol=1e-4, rtol=0)
        torch.testing.assert_close(deviations, torch.ones_like(deviations), atol=1e-3, rtol=0)
