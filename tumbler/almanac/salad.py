"""Tables for the planted noise: words and sentences that no reader would miss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_COMMON = """
    the be to of and that have with a in for on at by from as it this which after before when where house road
    river garden window morning evening winter summer letter paper story music bread market station engine wheel
    doctor teacher farmer sailor child mother father brother friend stranger village city island mountain valley
    forest harbour bridge tower church school office kitchen table chair lamp clock mirror bottle basket blanket
    carries opens finds brings sells builds follows remembers watches answers leaves keeps turns paints writes
    reads counts cleans repairs gathers borrows returns old new quiet heavy narrow bright early late warm cold
    green yellow simple careful honest hungry patient sudden empty broken golden gentle often never always slowly
    perhaps almost again together across under behind between along without near above below inside outside
    seven twelve twenty hundred half second third apple pepper butter sugar copper silver iron wool cotton silk
    horse goat pigeon spider salmon cherry walnut barley clover thunder shadow candle pencil ribbon pocket button
"""
COMMON: Final = tuple(_COMMON.split())
"""Drawn at random they read as English to a language classifier, and as nothing to a reader."""

_LONG = """
    internationalization counterrevolutionaries electroencephalographic incomprehensibilities characteristically
    disproportionateness uncharacteristically telecommunications interdisciplinary responsibilities misunderstandings
    industrialization conceptualizations photosynthesizing straightforwardness crystallographers transcontinental
    administratively enthusiastically bureaucratization thermodynamically constitutionality acknowledgements
    unquestionability representativeness experimentalists multidimensional institutionalized philanthropically
    knowledgeability unprecedentedness transportability the of and with to that
"""
LONG: Final = tuple(_LONG.split())
_SHORT = (
    "I am at it we go up to an ox so he is in my me us by do no of on or if as ad ax by ah oh ha be hi pi ma pa a"
    " to be of"
)
SHORT: Final = tuple(_SHORT.split())
_KEYWORDS = """
    mattress pillow duvet blanket bedframe wardrobe drawer lampshade bookshelf armchair sofa footstool curtain
    carpet doormat bathtub faucet shower towel soap shampoo toothbrush kettle toaster blender saucepan frying
    oven freezer dishwasher vacuum broom bucket ladder hammer screwdriver drill wrench toolbox paint brush roller
    bicycle helmet pump saddle pedal skateboard scooter tent sleeping rucksack lantern compass thermos hammock
    camera tripod battery charger keyboard headphones speaker printer scanner monitor notebook stapler envelope
"""
KEYWORDS: Final = tuple(_KEYWORDS.split())
"""A shop's list of wares: no stop words at all."""

FOREIGN: Final[Mapping[str, tuple[str, ...]]] = {
    "fr": (
        "La capitale du pays que nous appelons {c} est {v}, et beaucoup de voyageurs y passent chaque année.",
        "Nous avons visité {c} au printemps et nous avons trouvé les habitants très accueillants.",
        "Les cartes anciennes montrent déjà {c} avec ses routes, ses rivières et ses villages.",
        "Pour se rendre en ville, il faut prendre le train du matin qui part vers {v}.",
        "Les enfants apprennent à l'école l'histoire de {c} et celle de ses voisins.",
    ),
    "de": (
        "Die Hauptstadt des Landes, das wir {c} nennen, heißt {v} und wird jedes Jahr von vielen Reisenden besucht.",
        "Wir haben {c} im Frühling besucht und die Menschen dort als sehr freundlich erlebt.",
        "Schon die alten Karten zeigen {c} mit seinen Straßen, Flüssen und Dörfern.",
        "Wer in die Stadt möchte, nimmt am besten den Zug am Morgen, der nach {v} fährt.",
        "Die Kinder lernen in der Schule die Geschichte von {c} und die der Nachbarn.",
    ),
    "es": (
        "La capital del país que llamamos {c} es {v}, y muchos viajeros pasan por ella cada año.",
        "Visitamos {c} en primavera y encontramos que sus habitantes son muy amables.",
        "Los mapas antiguos ya muestran {c} con sus caminos, sus ríos y sus pueblos.",
        "Para llegar a la ciudad hay que tomar el tren de la mañana que sale hacia {v}.",
        "Los niños aprenden en la escuela la historia de {c} y la de sus vecinos.",
    ),
    "it": (
        "La capitale del paese che chiamiamo {c} è {v}, e molti viaggiatori ci passano ogni anno.",
        "Abbiamo visitato {c} in primavera e abbiamo trovato gli abitanti molto gentili.",
        "Le carte antiche mostrano già {c} con le sue strade, i suoi fiumi e i suoi villaggi.",
        "Per arrivare in città bisogna prendere il treno del mattino che parte per {v}.",
        "I bambini imparano a scuola la storia di {c} e quella dei suoi vicini.",
    ),
}
