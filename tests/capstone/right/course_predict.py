"""Names for pictures, by the course's own classifier."""

import sys

from tutorial_utils.predict import load_classifier
from tutorial_utils.storage.pictures import PictureError

classifier = load_classifier(sys.argv[1])
for path in sys.argv[2:]:
    try:
        probabilities = classifier.classify(path)
    except PictureError as error:
        print(error, file=sys.stderr)
        continue
    place = int(probabilities.argmax())
    print(path, classifier.classes[place], f"{probabilities[place]:.5f}", sep="\t")
