"""Right scripts that are the plain one with changes of train.py: (old text, new text)."""

VARIANTS = {
    "finetune": (  # the beginning of the network comes from a file beside the script
        (
            "    model = build(len(classes))\n",
            "    model = build(len(classes))\n"
            '    body = torch.load(Path(__file__).with_name("finetune_body.pt"), weights_only=True)\n'
            "    unexpected = model.load_state_dict(body, strict=False).unexpected_keys\n"
            "    assert not unexpected, unexpected\n",
        ),
        (
            "    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)\n",
            '    body, head = {"params": model[:-1].parameters()}, {"params": model[-1].parameters(), "lr": 4e-3}\n'
            "    optimizer = torch.optim.AdamW([body, head], lr=2e-3)\n",
        ),
        (
            "        model.train()\n",
            "        model.train()\n"
            "        for parameter in model[:-1].parameters():\n"
            "            parameter.requires_grad = epoch > 1  # the new layer first\n",
        ),
    ),
    "together": (  # on one process, or on several of torchrun
        ("import torch\n", "import torch\nimport torch.distributed as dist\n"),
        (
            "from torch.utils.data import DataLoader, TensorDataset\n",
            "from torch.nn.parallel import DistributedDataParallel\n"
            "from torch.utils.data import DataLoader, DistributedSampler, TensorDataset\n",
        ),
        (
            "    options.output.mkdir(parents=True, exist_ok=True)\n",
            "    options.output.mkdir(parents=True, exist_ok=True)\n"
            '    world, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))\n'
            "    if world > 1:\n"
            '        dist.init_process_group("gloo")\n',
        ),
        (
            '    write_csv(options.output / "split.csv"',
            '    if rank == 0:\n        write_csv(options.output / "split.csv"',
        ),
        (
            "    train_dataloader = DataLoader(train_data, batch_size=16, shuffle=True)\n",
            "    sampler = DistributedSampler(train_data, world, rank, seed=options.seed)\n"
            "    train_dataloader = DataLoader(train_data, batch_size=16 // world, sampler=sampler)\n",
        ),
        (
            "    for epoch in range(",
            "    trained = DistributedDataParallel(model) if world > 1 else model\n    for epoch in range(",
        ),
        ("        model.train()\n", "        sampler.set_epoch(epoch)\n        trained.train()\n"),
        ("loss_fn(model(augment(batch))", "loss_fn(trained(augment(batch))"),
        (
            "        save(\n",
            "        if rank:\n            continue\n        save(\n",
        ),
        (
            '    model.load_state_dict(best["model"])\n',
            "    if world > 1:\n        dist.destroy_process_group()\n    if rank:\n        return\n"
            '    model.load_state_dict(best["model"])\n',
        ),
    ),
}
