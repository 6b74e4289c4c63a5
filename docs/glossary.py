"""The glossary and the cheat sheet, made of the notebooks: their bold terms, and the tables that close them."""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
CLOSING = "| idea | PyTorch name |"

TERMS = {
    "accuracy": "准确率",
    "activation function": "激活函数",
    "Adam": "Adam",
    "AdamW": "AdamW",
    "alpha": "alpha（透明度）通道",
    "anomaly mode": "异常检测模式",
    "atomic": "原子的（写入）",
    "attention": "注意力",
    "augmentation": "数据增强",
    "autograd": "自动求导（autograd）",
    "autograd graph": "计算图",
    "backbone": "骨干网络",
    "backpropagation": "反向传播",
    "baseline": "基线",
    "batch": "批次（batch）",
    "batch normalisation": "批归一化",
    "bfloat16": "bfloat16",
    "bias": "偏置",
    "binary cross-entropy": "二元交叉熵",
    "bounding box": "边界框",
    "broadcasting": "广播",
    "buffer": "缓冲区（buffer）",
    "central difference": "中心差分",
    "chain rule": "链式法则",
    "channel": "通道",
    "checkpoint": "检查点",
    "collate function": "整理函数（collate_fn）",
    "confusion matrix": "混淆矩阵",
    "contiguous": "（内存）连续",
    "convolution": "卷积",
    "cosine": "余弦（退火）",
    "cross-entropy": "交叉熵",
    "data leakage": "数据泄漏",
    "DataLoader": "数据加载器",
    "Dataset": "数据集",
    "dead": "（神经元）坏死",
    "deprecated": "已弃用",
    "derivative": "导数",
    "device": "设备",
    "DistributedDataParallel": "分布式数据并行（DDP）",
    "diverge": "发散",
    "dot product": "点积",
    "dtype": "数据类型（dtype）",
    "dynamic graph": "动态图",
    "early stopping": "早停",
    "element-wise product": "逐元素乘积",
    "embedding": "嵌入",
    "epoch": "轮（epoch）",
    "exploding": "梯度爆炸",
    "fine-tuning": "微调",
    "finite differences": "有限差分",
    "forward pass": "前向传播",
    "freeze": "冻结",
    "GELU": "GELU",
    "generator": "随机数生成器（generator）",
    "gradient": "梯度",
    "gradient accumulation": "梯度累积",
    "gradient clipping": "梯度裁剪",
    "gradient descent": "梯度下降",
    "gradient function": "梯度函数（grad_fn）",
    "gradient norm": "梯度范数",
    "He initialisation": "He 初始化（Kaiming 初始化）",
    "head": "（输出）头",
    "hidden layer": "隐藏层",
    "hook": "钩子（hook）",
    "hyperparameter": "超参数",
    "IDX": "IDX 格式",
    "ImageNet": "ImageNet",
    "in place": "原地（操作）",
    "inference": "推理",
    "Jacobian": "雅可比矩阵",
    "kernel": "卷积核；（Jupyter 的）内核",
    "key": "键（key）",
    "label smoothing": "标签平滑",
    "layer": "层",
    "layer normalisation": "层归一化",
    "leaf": "叶子张量",
    "learning rate": "学习率",
    "learning-rate finder": "学习率搜索",
    "linear scaling rule": "线性缩放规则",
    "logistic regression": "逻辑回归",
    "logits": "logits（未归一化的得分）",
    "mask": "掩码",
    "matrix": "矩阵",
    "matrix product": "矩阵乘积",
    "max pooling": "最大池化",
    "mean squared error": "均方误差",
    "memory-mapped": "内存映射",
    "meta": "meta 设备",
    "mixed precision": "混合精度",
    "mixup": "MixUp（样本混合）",
    "mode": "（训练／评估）模式",
    "momentum": "动量",
    "multilayer perceptron": "多层感知机",
    "nan": "nan（非数）",
    "negative log-likelihood": "负对数似然",
    "neuron": "神经元",
    "normalizing": "归一化（标准化）",
    "one-hot": "独热编码",
    "optimizer": "优化器",
    "overfit one batch": "过拟合一个批次",
    "overfitting": "过拟合",
    "overflow": "溢出",
    "page": "内存页",
    "parameter": "参数",
    "patch": "图块（patch）",
    "patience": "耐心值（patience）",
    "pickle": "pickle（序列化格式）",
    "PIL image": "PIL 图像",
    "precision": "精确率",
    "pretrained": "预训练的",
    "query": "查询（query）",
    "recall": "召回率",
    "reduction": "归约",
    "residual block": "残差块",
    "safetensors": "safetensors 格式",
    "sampler": "采样器",
    "scalar": "标量",
    "scheduler": "学习率调度器",
    "secant": "割线",
    "seed": "随机种子",
    "SGD": "随机梯度下降（SGD）",
    "shape": "形状",
    "sigmoid": "sigmoid 函数",
    "skip connection": "跳跃连接",
    "slice": "切片",
    "soft label": "软标签",
    "softmax": "softmax",
    "standard deviation": "标准差",
    "state dict": "状态字典（state dict）",
    "storage": "存储（storage）",
    "stride": "步幅",
    "sweep": "扫描（sweep）",
    "tangent": "切线",
    "target": "目标（标签）",
    "tensor": "张量",
    "test set": "测试集",
    "tied weights": "共享权重",
    "topological order": "拓扑序",
    "training set": "训练集",
    "transform": "变换",
    "transformer": "Transformer",
    "transpose": "转置",
    "type promotion": "类型提升",
    "validation set": "验证集",
    "value": "值（value）",
    "vanishing gradient": "梯度消失",
    "vector": "向量",
    "vector-Jacobian product": "向量–雅可比积",
    "view": "视图",
    "warm-up": "预热（warm-up）",
    "weight": "权重",
    "weight decay": "权重衰减",
    "weight initialisation": "权重初始化",
    "weighted sum": "加权和",
    "worker": "工作进程（worker）",
}
"""The field's terms, in English and Chinese: each is bold in a notebook where it is explained."""
SPELLING = {term.casefold(): term for term in TERMS}


def glossary() -> str:
    """Return the glossary, in Markdown: each term, its Chinese name, and the first section that has it in bold."""
    sections = find_sections()
    rows = [f"| {term} | {TERMS[term]} | {sections[term]} |" for term in sorted(TERMS, key=str.casefold)]
    return "\n".join(["# Glossary 术语表", "", "| term | 中文 | explained in |", "|---|---|---|", *rows, ""])


def cheat_sheet() -> str:
    """Return the cheat sheet, in Markdown: the tables that close the notebooks, without links and third columns."""
    parts = ["# Cheat sheet", "To print it, or to hide the right column and ask yourself what stands there."]
    for path in NOTEBOOKS:
        source = next(cell.source for cell in texts(path) if CLOSING in cell.source)
        lines = [line for line in source.splitlines() if line.startswith("|")]
        table = ["|".join(re.split(r"(?<!\\)\|", line)[:3]) + "|" for line in lines]
        parts.append("\n".join([f"## {title_of(path)}", "", *table]))
    return "\n\n".join(parts) + "\n"


def find_sections() -> dict[str, str]:
    """Return, for each term, a link to the notebook where it is in bold first, and that section's heading."""
    found: dict[str, str] = {}
    for path in NOTEBOOKS:
        heading, link = "", f"[{title_of(path)}](/notebooks/{path.name})"
        for cell in texts(path):
            for line in cell.source.splitlines():
                heading = line.strip("# ") if line.startswith("##") else heading
                for term in find_terms(line):
                    found.setdefault(term, f"{link}: {heading}")
    return found


def find_terms(line: str) -> Iterator[str]:
    """Yield the terms that a line of Markdown has in bold, as `TERMS` spells them."""
    for bold in re.findall(r"\*\*`?(.+?)`?\*\*", line):
        word = bold.casefold()
        forms = [word] if word in SPELLING else {re.sub("s$", "", word), re.sub("(es|d)$", "", word)}
        yield from (SPELLING[form] for form in forms if form in SPELLING)


def texts(path: Path) -> list[nbformat.NotebookNode]:
    """Return a notebook's cells of text."""
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]


def title_of(path: Path) -> str:
    """Return a notebook's title, such as "00 Quickstart"."""
    return str(texts(path)[0].source.splitlines()[0]).removeprefix("# ").replace(" · ", " ")
