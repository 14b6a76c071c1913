"""How close the generated pictures are to real ones, and how varied, without a downloaded network.

    python -m gan metrics weights/faces64 --data img_align_celeba.zip --save

Distances between sets of pictures: Fréchet and kernel distance, precision and recall in the features of the
project's own classifiers (`distances`), sliced Wasserstein distance of small patches (`patches`), MS-SSIM between
generated pictures (`diversity`). `judge` measures a model folder by a fixed protocol, `monitor` the cheap ones
during training. None of them is "FID": that one needs the Inception network, see `inception`.
"""
