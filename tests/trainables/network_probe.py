"""What tests of every network ask: the shapes that leave its modules, and whether it learns."""

import torch


def record_shapes(network, call):
    """Call a network once, and give what each of its modules saw, and what was returned.

    By name of the module stand sizes without the batch of what it put out, under `in:` of what it took, and under
    `calls:` how often.
    """
    seen = {}
    for name, module in network.named_modules():

        def remember(_, inputs, output, name=name):
            seen[f"calls:{name}"] = (seen.get(f"calls:{name}", (0,))[0] + 1,)
            if inputs and isinstance(inputs[0], torch.Tensor):
                seen[f"in:{name}"] = tuple(inputs[0].shape[1:])
            if isinstance(output, torch.Tensor):
                seen[name] = tuple(output.shape[1:])

        module.register_forward_hook(remember)
    with torch.no_grad():
        return seen, call()


def losses_of_steps(method, config, network, images, labels_B, *, lr, num_steps):
    """Train on one batch again and again; give the loss before each step."""
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    losses = []
    for _ in range(num_steps):
        (terms,) = method.loss_terms(config, network, [images], [labels_B], epoch=0)
        loss = sum(terms.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
