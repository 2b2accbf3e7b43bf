"""Words by what they are a kind of, and words for young animals, callings, sciences and likenesses.

Wrong answers come from the other lines of the same table. A line is: level | word | answer | answers of other lines
that would be right too, or nearly so. YOUNG and FEMALES leave out names made from the animal's, such as "gosling": they
answer themselves, and are wrong beyond doubt beside any other animal.
"""

from __future__ import annotations

KINDS = {
    "fish": "trout1 salmon1 cod1 herring2 haddock3 turbot4 halibut3 tench5 bream5",
    "bird": "robin1 eagle1 sparrow1 heron2 wren2 plover4 linnet5 curlew4 lapwing4 siskin5",
    "tree": "oak1 pine1 birch2 willow2 larch4 alder4 hornbeam5 aspen3",
    "flower": "tulip1 daisy1 orchid2 dahlia3 peony3 begonia4 gentian5 freesia5",
    "dog": "poodle1 beagle2 spaniel2 terrier2 whippet4 borzoi5 saluki5",
    "fabric": "silk1 cotton1 velvet2 denim2 muslin4 gingham4 chenille5 taffeta5 damask5",
    "dance": "tango1 waltz2 polka2 rumba3 foxtrot3 gavotte5 mazurka5 quadrille5",
    "hat": "beret2 fedora3 fez3 trilby4 bonnet2 sombrero2",
    "boat": "canoe1 yacht1 kayak1 dinghy2 catamaran3 schooner3 sloop4 ketch5",
    "cheese": "cheddar1 brie2 feta1 gouda2 gruyere4 pecorino4",
    "gem": "ruby1 diamond1 emerald1 opal2 topaz3 garnet3 peridot5 tourmaline5",
    "musical instrument": "violin1 flute1 cello2 oboe3 lute3 bassoon3 zither4 dulcimer5 celesta5",
    "insect": "ant1 beetle1 moth1 earwig3 mayfly4 weevil4",
    "snake": "python1 cobra1 viper2 adder3 mamba3",
    "spice": "cinnamon1 nutmeg2 cumin2 turmeric3 cardamom3",
    "pasta": "spaghetti1 ravioli1 penne2 linguine3 farfalle4 orzo4",
    "weapon": "sword1 spear1 rapier3 scimitar3 halberd4 blunderbuss4",
    "fruit": "apple1 banana1 mango1 lychee3 kumquat3 quince4 damson5",
    "bread": "bagel1 baguette1 naan2 ciabatta3 focaccia3",
    "poem": "sonnet2 haiku2 limerick3 ode3 elegy4 villanelle5",
    "carriage": "landau5 phaeton5 brougham5 cabriolet5",
    "card game": "poker1 rummy2 canasta4 cribbage4 pinochle5",
    "shoe": "sandal1 slipper1 clog2 moccasin3 brogue4 espadrille4",
    "cloud": "cumulus3 cirrus3 stratus4 nimbostratus4",
    "wind": "mistral5 sirocco5 monsoon3",
    "whale": "narwhal3 beluga3",
    "dinosaur": "triceratops1 stegosaurus2 diplodocus3 iguanodon4",
}

_NEAR = """
tree/flower fruit/tree spice/tree fabric/dance fabric/flower dance/shoe dance/card_game wind/cloud
wind/musical_instrument whale/fish shoe/snake
"""
NEAR_KINDS = {frozenset(pair.replace("_", " ").split("/")) for pair in _NEAR.split()}
"""Kinds that share words or sense: never offered beside each other."""

YOUNG = """
1 | cat | kitten | cub
1 | dog | puppy | pup, cub
1 | cow | calf |
1 | sheep | lamb |
1 | lion | cub | kitten, pup
1 | bear | cub | kitten, pup
2 | goat | kid |
2 | horse | foal |
2 | deer | fawn | calf
2 | kangaroo | joey |
2 | frog | tadpole |
2 | butterfly | caterpillar |
2 | hen | chick | poult
3 | seal | pup | cub, calf, puppy
3 | whale | calf | pup, cub
3 | zebra | foal | calf
3 | giraffe | calf | foal
4 | swan | cygnet | chick
4 | bat | pup | cub, puppy, kitten
4 | camel | calf | foal
4 | toad | tadpole |
5 | hare | leveret | kitten
5 | eel | elver |
5 | llama | cria | calf
5 | turkey | poult | chick
5 | pigeon | squab | chick
5 | hawk | eyas | chick, eaglet
5 | oyster | spat |
"""

MALES = """
1 | chicken | rooster | drake
2 | elephant | bull |
2 | sheep | ram | buck
2 | pig | boar |
2 | horse | stallion |
3 | deer | stag | buck, bull
3 | duck | drake |
3 | goose | gander |
3 | bee | drone |
3 | rabbit | buck |
4 | cat | tom |
4 | donkey | jack | stallion
5 | swan | cob |
5 | ferret | hob | buck
5 | hawk | tiercel |
"""

FEMALES = """
1 | chicken | hen |
2 | sheep | ewe |
2 | pig | sow |
2 | horse | mare |
2 | deer | doe | hind, cow
3 | fox | vixen |
3 | elephant | cow |
3 | goat | nanny | doe
4 | rabbit | doe |
4 | donkey | jenny | mare
5 | swan | pen |
5 | ferret | jill | doe
"""

SOUNDS = """
1 | dog | bark | howl, growl
1 | cow | moo |
1 | lion | roar | growl
1 | duck | quack |
1 | bee | buzz |
1 | snake | hiss |
1 | owl | hoot |
2 | wolf | howl | bark, growl
2 | frog | croak |
2 | horse | neigh |
2 | sheep | bleat |
2 | mouse | squeak |
2 | hen | cluck |
3 | pigeon | coo |
3 | donkey | bray | neigh
3 | goose | honk | hiss, cluck, quack
3 | turkey | gobble | cluck
3 | elephant | trumpet | roar
"""

HOMES = """
1 | bee | hive | nest
1 | bird | nest |
1 | spider | web |
1 | dog | kennel |
1 | horse | stable |
2 | pig | sty |
2 | lion | den | lair
3 | rabbit | burrow | den, nest, form
4 | beaver | lodge | den, burrow
4 | eagle | eyrie | nest
5 | badger | sett | den, burrow
5 | hare | form | burrow, nest
5 | squirrel | drey | nest
5 | otter | holt | den, burrow, lodge
"""

CALLINGS = """
1 | bakes bread | baker |
1 | cuts hair | barber |
1 | flies planes | pilot |
1 | sells meat | butcher |
1 | digs coal | miner |
1 | herds sheep | shepherd |
1 | treats sick animals | vet |
2 | mends pipes | plumber |
2 | sells flowers | florist |
2 | sells fish | fishmonger |
2 | rides racehorses | jockey |
2 | designs buildings | architect |
2 | leads an orchestra | conductor |
2 | makes clothes to measure | tailor |
2 | makes things of clay | potter | sculptor
2 | mends shoes | cobbler |
2 | carves statues | sculptor | mason
3 | builds with stone | mason | sculptor
3 | stuffs dead animals | taxidermist |
3 | writes plays | playwright |
3 | helps at births | midwife |
3 | arranges funerals | undertaker |
3 | makes beer | brewer |
3 | studies birds | ornithologist |
4 | makes barrels | cooper |
4 | fits glass in windows | glazier |
4 | shoes horses | farrier |
4 | makes women's hats | milliner |
4 | draws maps | cartographer |
4 | collects stamps | philatelist |
4 | makes wheels | wheelwright |
4 | turns hides into leather | tanner |
4 | cares for trees | arborist |
4 | studies insects | entomologist |
4 | keeps bees | apiarist |
5 | makes arrows | fletcher |
5 | makes candles | chandler |
5 | collects coins | numismatist |
5 | rings church bells | campanologist |
5 | writes dictionaries | lexicographer |
5 | makes violins and guitars | luthier |
5 | cuts and polishes gems | lapidary |
5 | walks on a tightrope | funambulist |
5 | sells cloth | draper |
5 | drives mules | muleteer |
5 | makes gloves | glover |
5 | studies handwriting | graphologist |
"""

STUDIES = """
1 | animals | zoology | ornithology, entomology, herpetology, ichthyology, cetology
1 | stars and planets | astronomy | selenology
2 | plants | botany | dendrology, bryology, mycology
2 | rocks | geology |
2 | weather | meteorology |
2 | crime | criminology |
3 | birds | ornithology | zoology
3 | earthquakes | seismology | geology
3 | the heart | cardiology |
3 | the skin | dermatology |
3 | the nerves | neurology |
4 | insects | entomology | zoology
4 | poisons | toxicology |
4 | the origin of words | etymology |
4 | eye diseases | ophthalmology |
4 | cancer | oncology |
4 | family history | genealogy |
5 | fungi | mycology | botany
5 | reptiles | herpetology | zoology
5 | fish | ichthyology | zoology
5 | the kidneys | nephrology |
5 | the liver | hepatology |
5 | bones | osteology |
5 | trees | dendrology | botany
5 | lakes | limnology |
5 | flags | vexillology |
5 | caves | speleology | geology
5 | whales | cetology | zoology
5 | mosses | bryology | botany
5 | the moon | selenology | astronomy
5 | clocks and time | horology |
"""

LIKENESSES = """
1 | the sun | solar | celestial, sidereal
1 | teeth | dental | oral
1 | the nose | nasal |
1 | cities | urban |
2 | the moon | lunar | celestial
2 | cats | feline |
2 | dogs | canine | lupine
2 | the heart | cardiac |
2 | the night | nocturnal |
2 | the sea | marine |
2 | the countryside | rural |
2 | mothers | maternal |
2 | fathers | paternal |
3 | horses | equine |
3 | birds | avian | aquiline, corvine
3 | brothers | fraternal |
3 | the eyes | ocular |
3 | the lungs | pulmonary |
3 | the mouth | oral | dental
3 | the hands | manual |
3 | kings and queens | regal |
4 | cows | bovine | taurine
4 | lions | leonine | feline
4 | apes | simian |
4 | fish | piscine |
4 | the kidneys | renal |
4 | the stomach | gastric |
4 | the skull | cranial |
4 | the ears | aural |
4 | trees | arboreal |
4 | the back | dorsal |
5 | pigs | porcine |
5 | sheep | ovine |
5 | foxes | vulpine | canine
5 | wolves | lupine | canine
5 | bears | ursine |
5 | eagles | aquiline | avian
5 | crows | corvine | avian
5 | deer | cervine |
5 | mice | murine |
5 | uncles | avuncular |
5 | spring | vernal |
5 | winter | hibernal |
5 | river banks | riparian |
5 | lakes | lacustrine |
5 | the stars | sidereal | celestial
5 | the liver | hepatic |
5 | the skin | cutaneous |
"""
