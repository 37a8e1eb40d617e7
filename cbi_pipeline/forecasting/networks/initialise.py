"""Weight initialisation that fits the layer it feeds."""

from torch import nn


def before_relu(layer: nn.Linear) -> nn.Linear:
    """He normal weights and zero bias, for a layer followed by a rectifier (He et al., 2015)."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


def output(layer: nn.Linear) -> nn.Linear:
    """Glorot normal weights and zero bias, for a linear output (Glorot and Bengio, 2010)."""
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def zero(layer: nn.Linear) -> nn.Linear:
    """All zeros: an anchored head says nothing until it is trained."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def recurrent(cell: nn.RNNBase) -> nn.RNNBase:
    """Each gate's own recurrent block orthogonal, each input block Glorot, LSTM forget bias 1."""
    hidden = cell.hidden_size
    for name, parameter in cell.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(parameter)
            if isinstance(cell, nn.LSTM) and name.startswith("bias_ih"):
                # Gate order is input, forget, cell, output; one of the two biases is enough.
                nn.init.ones_(parameter.data[hidden : 2 * hidden])
            continue
        fill = nn.init.orthogonal_ if name.startswith("weight_hh") else nn.init.xavier_uniform_
        for gate in parameter.data.split(hidden):
            fill(gate)
    return cell
