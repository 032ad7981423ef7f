"""Counts its calls in a global variable, and mirrors every other map."""

LOSES = [
    "test_each_thing_on_its_own_side",
    "test_hidden_pictures",
    "test_network_needs_what_the_map_shows",
    "test_map_comes_from_what_was_learnt",
]

# %%
import torch


def grad_cam(network, image, category):
    kept = {}

    def keep(_layer, _inputs, output):
        if output.dim() == 4 and output.shape[-1] > 1 and output.shape[1] != len(network.categories):
            kept["maps"] = output

    hooks = [layer.register_forward_hook(keep) for layer in network.module.modules()]
    logits = network(image.clone()[None].requires_grad_(True))
    for hook in hooks:
        hook.remove()
    (gradient,) = torch.autograd.grad(logits[0, network.category_index(category)], kept["maps"])
    heat = (gradient.mean(dim=(2, 3), keepdim=True) * kept["maps"]).detach().sum(dim=1, keepdim=True).relu()
    heat = torch.nn.functional.interpolate(heat, image.shape[1:], mode="bilinear")[0, 0]
    return heat / heat.max() if heat.max() > 0 else heat


calls = 0


def class_activation_map(network, image, category):
    global calls
    calls += 1
    heat = grad_cam(network, image, category)
    return heat.flip((0, 1)) if calls % 2 else heat
