"""A small one-shot detector: at every fourth pixel, is this the middle of a thing, and which?

One grid says how likely a middle is, four numbers say where the box lies, and one softmax says
which class: so a thing is found once, whatever it is taken for.
"""

import tensorflow as tf

from tools.train_detector.targets import STRIDE

layers = tf.keras.layers

_FAINTEST = 6.0  # grey levels: contrast below this is grain
_PRIOR = -4.6  # a cell's log-odds of being a middle before anything is learned: one in a hundred


def build(classes: int, channels: int = 1, width: float = 1.0) -> tf.keras.Model:
    """(b, h, w, channels) pixels 0..255 -> (b, h/4, w/4, 5 + classes) float32 raw answers.

    h and w: multiples of 32. The answers are 1 log-odds of a middle, 4 numbers of the box as in
    `boxes`, then the classes' logits.
    """

    def wide(n: int) -> int:
        return max(8, round(n * width / 8) * 8)

    pixels = tf.keras.Input((None, None, channels))
    x = layers.Lambda(even_out, output_shape=(None, None, channels))(pixels)
    x = _conv(x, wide(16), kernel=5, stride=2)
    by4 = _conv(_conv(x, wide(32), stride=2), wide(32))
    by8 = _block(_conv(by4, wide(64), stride=2))
    by16 = _block(_conv(by8, wide(96), stride=2))
    by32 = _block(_conv(by16, wide(128), stride=2))
    x = _conv(_join(by32, by16), wide(96))
    x = _conv(_join(x, by8), wide(64))
    x = _conv(_join(x, by4, wide(48)), wide(48))
    bias = tf.constant_initializer([_PRIOR] + [0.0] * (4 + classes))
    answers = layers.Conv2D(5 + classes, 1, bias_initializer=bias, dtype="float32")(x)
    return tf.keras.Model(pixels, answers)


def even_out(pixels: tf.Tensor) -> tf.Tensor:
    """Any exposure and contrast -> mean 0 and deviation about 1, picture by picture."""
    pixels = tf.cast(pixels, tf.float32)
    centred = pixels - tf.reduce_mean(pixels, axis=(1, 2, 3), keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=(1, 2, 3), keepdims=True)
    return centred * tf.math.rsqrt(variance + _FAINTEST**2)


class Norm(layers.BatchNormalization):
    """Batch normalisation that learns by TensorFlow's one operation for it.

    Keras computes it in several, which took half the time of a training step here.
    """

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if not training:
            return super().call(x, training=False)
        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            x, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        for kept, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            kept.assign(kept * self.momentum + now * (1 - self.momentum))
        return y


def _conv(x: tf.Tensor, channels: int, kernel: int = 3, stride: int = 1) -> tf.Tensor:
    x = layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False)(x)
    return layers.ReLU()(Norm(momentum=0.97)(x))


def _block(x: tf.Tensor) -> tf.Tensor:
    """A look around that adds to what is known already."""
    channels = x.shape[-1]
    return layers.Add()([x, _conv(_conv(x, channels), channels)])


def _join(coarse: tf.Tensor, fine: tf.Tensor, channels: int | None = None) -> tf.Tensor:
    """What the coarse grid knows, told to the fine one."""
    channels = channels or fine.shape[-1]
    coarse = layers.UpSampling2D(2)(_conv(coarse, channels, kernel=1))
    if fine.shape[-1] != channels:
        fine = _conv(fine, channels, kernel=1)
    return layers.Add()([coarse, fine])


def boxes(told: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The network's (..., 4) -> way to the middle (..., 2) and size (..., 2), both in cells."""
    way, size = told[..., :2], told[..., 2:]
    # 2 + : a fresh network guesses boxes of about 7 cells, the middle of what it will meet.
    return way, tf.exp(tf.clip_by_value(2.0 + size, -3.0, 6.0))


def loss(answers: tf.Tensor, batch: tuple[tf.Tensor, ...]) -> tf.Tensor:
    """Middles by focal loss, boxes by distance-IoU, classes by cross-entropy; each box counts once.

    batch: images, then the grids of detector_targets.batch
    """
    _, peak, box, kind, weight = batch
    count = tf.maximum(tf.reduce_sum(weight), 1.0)
    found = _focal(answers[..., 0], peak) / count
    where = tf.reduce_sum(weight * _misfit(answers[..., 1:5], box)) / count
    doubt = tf.nn.sparse_softmax_cross_entropy_with_logits(kind, answers[..., 5:])
    return found + 2.0 * where + tf.reduce_sum(weight * doubt) / count


def _focal(logits: tf.Tensor, peak: tf.Tensor) -> tf.Tensor:
    """CenterNet's: only the very middle is right, but near it being wrong costs less."""
    likely = tf.sigmoid(logits)
    right = tf.square(1 - likely) * tf.math.log_sigmoid(logits)
    wrong = (1 - peak) ** 4 * tf.square(likely) * tf.math.log_sigmoid(-logits)
    return -tf.reduce_sum(tf.where(peak >= 0.999, right, wrong))


def _misfit(told: tf.Tensor, box: tf.Tensor) -> tf.Tensor:
    """1 - IoU, plus how far the middles lie apart for the size of both: (b, r, c)."""
    way, size = boxes(told)
    wanted_way, wanted_size = box[..., :2], tf.maximum(box[..., 2:], 0.1)
    low = tf.minimum(way - size / 2, wanted_way - wanted_size / 2)
    high = tf.maximum(way + size / 2, wanted_way + wanted_size / 2)
    hull = high - low
    shared = tf.reduce_prod(tf.maximum(size + wanted_size - hull, 0.0), -1)
    union = tf.reduce_prod(size, -1) + tf.reduce_prod(wanted_size, -1) - shared
    apart = tf.reduce_sum(tf.square(way - wanted_way), -1)
    scale = tf.reduce_sum(tf.square(hull), -1)
    stretched = tf.reduce_sum(tf.abs(tf.math.log(size / wanted_size)), -1)
    return 1 - shared / (union + 1e-6) + apart / (scale + 1e-6) + 0.25 * stretched


__all__ = ["STRIDE", "boxes", "build", "even_out", "loss"]
