#!/bin/bash
# Surprising: in a video of variable frame rate OpenCV reports the true time of every frame, but
#   seeking to that time returns another frame.
# A good guess: set(CAP_PROP_POS_MSEC, t) and read() give the frame shown at t, since the same
#   property read after read() gives the frame's time.
# What happens: the time is turned into a frame number by the *average* rate. Where a recorder paused,
#   all labels that were made by time land on other frames, and the last ones on none. Read frames in
#   order and take their times, or seek by PyAV.
# Versions: opencv-python-headless 5.0.0.93, av 18.1.0. Date: 29 November 2026. Source: this script.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check numpy==2.4.6 av==18.1.0 \
  opencv-python-headless==5.0.0.93 2>/dev/null
cat > show.py <<'PY'
import sys
from fractions import Fraction

import av
import cv2
import numpy as np

TIMES = [0, 40, 80, 120, 1000, 2000, 2040, 2080, 2120, 2160]  # ms
MS = Fraction(1, 1000)
with av.open("v.mp4", "w") as container:
    stream = container.add_stream("mpeg4", rate=25)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = MS
    for index, time in enumerate(TIMES):
        grey = np.full((64, 64, 3), 20 + 20 * index, np.uint8)
        frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
        frame.pts = time
        frame.time_base = MS
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def read_index(video):
    is_read, image = video.read()
    return round((int(image[32, 32, 0]) - 20) / 20) if is_read else None


video = cv2.VideoCapture("v.mp4")
in_order = [(read_index(video), round(video.get(cv2.CAP_PROP_POS_MSEC))) for _ in TIMES]
by_time = []
for time in TIMES:
    video = cv2.VideoCapture("v.mp4")
    video.set(cv2.CAP_PROP_POS_MSEC, time)
    by_time.append(read_index(video))
print(f"frames in order, with their times: {in_order}")
print(f"frames by seeking to these times:  {by_time}")
is_right_in_order = in_order == list(enumerate(TIMES))
sys.exit(not is_right_in_order or by_time[4] == 4 or by_time[-1] is not None)
PY
echo "Seeking by time uses the average rate:"
env/bin/pip list 2>/dev/null | grep -E "^(av|opencv-python-headless) "
env/bin/python show.py 2>/dev/null
