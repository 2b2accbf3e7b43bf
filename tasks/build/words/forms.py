"""Irregular plurals and past forms, rare words with plain meanings, and words whose letters make other words.

A line of PLURALS is: level | word | plural | wrong plurals; none of them is a variant in use, nor a word at all.
A line of PASTS is:
level | verb | past tense | past participle | wrong forms; verbs with two current past tenses are left out, and a dash
stands for a participle with two forms.
"""

from __future__ import annotations

PLURALS = """
1 | foot | feet | feetz, feets, footes, feetes
1 | tooth | teeth | tooths, teeths, toothes, teethen
1 | child | children | childies, childes, childern, childen
1 | man | men | manen, menes, manses, mennes
1 | woman | women | womans, womens, womanes, womanen
1 | mouse | mice | mices, mousen, mousies, micen
1 | box | boxes | boxs, boxies, boxses, boxae
1 | baby | babies | babys, babyes, babbies, babeys
1 | city | cities | citys, cityes, citties, citeys
1 | key | keys | keies, keyies, keyen, keyses
2 | goose | geese | geesen, geeses, goosies, gease
2 | knife | knives | knifies, knifs, knivs, knifves
2 | wife | wives | wifies, wifs, wivs, wifves
2 | leaf | leaves | leafes, leavs, leafves, leavies
2 | wolf | wolves | wolfies, wolfes, wolvs, wolfves
2 | shelf | shelves | shelfs, shelfes, shelvs, shelfves
2 | sheep | sheep | sheepies, sheepes, sheepen, sheepae
2 | half | halves | halfes, halvs, halfves, halven
2 | potato | potatoes | potatos, potatoies, potatose, potaten
2 | hero | heroes | heroies, herose, heroen, heroses
2 | monkey | monkeys | monkeies, monkeyes, monkyes, monkeis
2 | person | people | persones, personen, peopels, persens
3 | ox | oxen | oxs, oxies, oxens, oxae
3 | thief | thieves | thiefes, thievs, thiefves, thievies
3 | loaf | loaves | loafies, loafes, loavs, loafves
3 | calf | calves | calfes, calvs, calfves, calvies
3 | louse | lice | lices, lousen, lousies, licen
3 | piano | pianos | pianoes, pianois, pianose, pianies
3 | chief | chiefs | chieves, chiefes, chievs, chiefies
3 | belief | beliefs | belieffs, beliefes, believs, beliefies
3 | crisis | crises | crisies, crisi, crisae, criseses
3 | quiz | quizzes | quizen, quizs, quizzies, quizi
3 | bacterium | bacteria | bacteriora, bacteries, bacterii, bacteriae
3 | oasis | oases | oasises, oasies, oasae, oaseses
3 | cliff | cliffs | cliffes, cliven, clivs, cliffies
3 | aircraft | aircraft | aircrafties, aircraftes, airscraft, aircraften
4 | thesis | theses | thesies, thesi, thesae, theseses
4 | analysis | analyses | analysies, analysi, analysae, analyseses
4 | phenomenon | phenomena | phenomenies, phenomeni, phenomenae, phenomenes
4 | criterion | criteria | criteries, criterii, criteriae, criteriones
4 | stimulus | stimuli | stimulae, stimulii, stimulis, stimulora
4 | larva | larvae | larvi, larvaes, larvum, larves
4 | alga | algae | algi, algaes, algora, alges
4 | diagnosis | diagnoses | diagnosies, diagnosi, diagnosae, diagnoseses
4 | hypothesis | hypotheses | hypothesies, hypothesi, hypothesae, hypotheseses
4 | axis | axes | axi, axae, axies, axia
4 | passer-by | passers-by | passer-byen, passer-bies, passers-bys, passer-byes
4 | runner-up | runners-up | runners-ups, runner-uppes, runner-upes, runnersup
4 | mother-in-law | mothers-in-law | mothers-in-laws, mother-ins-law, mother-in-lawes, mothers-ins-law
4 | species | species | specieses, specieae, speciei, speciesa
4 | parenthesis | parentheses | parenthesies, parenthesi, parenthesae, parentheseses
4 | emphasis | emphases | emphasies, emphasi, emphasae, emphaseses
5 | stratum | strata | stratae, strati, stratera, stratora
5 | ovum | ova | ovae, ovi, overa, ovora
5 | erratum | errata | erratae, errati, erratera, erratora
5 | genus | genera | geni, genae, genuii, genora
5 | corpus | corpora | corporae, corpae, corpera, corpii
5 | alumnus | alumni | alumnii, alumnes, alumnera, alumnora
5 | alumna | alumnae | alumnai, alumnora, alumnum, alumnaes
5 | codex | codices | codici, codexae, codeces, codicae
5 | helix | helices | helici, helixae, heleces, helicae
5 | bacillus | bacilli | bacillae, bacillera, bacillora, bacilles
5 | locus | loci | locae, locii, locora, locera
5 | tableau | tableaux | tableaues, tableauxs, tableauxes, tableaae
5 | ellipsis | ellipses | ellipsies, ellipsi, ellipsae, ellipseses
5 | nucleus | nuclei | nucleae, nucleii, nuclera, nucleora
5 | vertebra | vertebrae | vertebri, vertebraes, vertebrum, vertebres
"""

PASTS = """
1 | go | went | gone | goed, wented, goned
1 | take | took | taken | taked, tooked, takened
1 | see | saw | seen | seeden, sawened, seened
1 | eat | ate | eaten | eated, eatened, eatten
1 | give | gave | given | gived, gaved, gavened
1 | come | came | come | comed, camed, camen
1 | run | ran | run | runned, ranned, rannen
1 | write | wrote | written | writed, wroted, writened
1 | speak | spoke | spoken | speaked, spoked, spokened
1 | buy | bought | bought | buyed, boughted, buyt
1 | think | thought | thought | thinked, thoughted, thinken
1 | tell | told | told | telled, tolded, tolt
1 | make | made | made | maked, maded, maken
2 | drive | drove | driven | drived, droved, droven
2 | choose | chose | chosen | choosed, chosed, choosened
2 | freeze | froze | frozen | freezed, frozed, frozened
2 | break | broke | broken | breaked, broked, brokened
2 | steal | stole | stolen | stealed, stoled, stealen
2 | blow | blew | blown | bloweded, blewed, blewn
2 | grow | grew | grown | growened, grewed, grewn
2 | throw | threw | thrown | throwed, threwed, thrownd
2 | fly | flew | flown | flewed, flewn, flyed
2 | draw | drew | drawn | drawed, drewed, drawened
2 | begin | began | begun | beginned, beganned, beginnen
2 | swim | swam | swum | swimmed, swammed, swummed
2 | bring | brought | brought | bringed, brangen, bringen
2 | teach | taught | taught | teached, taughted, tought
2 | catch | caught | caught | catchen, caughted, cought
2 | fight | fought | fought | fighted, foughted, fighten
2 | sell | sold | sold | selled, solded, sollen
2 | keep | kept | kept | keeped, kepted, keepen
2 | hide | hid | - | hidened, hidded, hode
3 | wear | wore | worn | weared, wored, wornen
3 | tear | tore | torn | tored, tornen, tearen
3 | swear | swore | sworn | sweared, swored, swornen
3 | shake | shook | shaken | shakened, shooked, shooken
3 | bite | bit | - | bited, bitted, bote
3 | forget | forgot | - | forgetted, forgettened, forgotted
3 | stick | stuck | stuck | sticken, stuckt, stucken
3 | strike | struck | - | striked, strooked, strucked
3 | sweep | swept | swept | sweeped, sweptened, sweepen
3 | creep | crept | crept | crepted, creepen, creptened
3 | lead | led | led | leadened, ledded, lod
3 | bleed | bled | bled | bleeded, bledded, blod
3 | bend | bent | bent | bented, bendened, bentened
3 | grind | ground | ground | grindened, grounden, groundened
3 | bind | bound | bound | binded, bindened, bounden
3 | spin | spun | spun | spinned, spunned, spunnen
3 | swing | swung | swung | swingen, swunged, swong
3 | sting | stung | stung | stinged, stungen, stunged
3 | cling | clung | clung | clinged, clungen, clunged
4 | fling | flung | flung | flinged, flungen, flunged
4 | wring | wrung | wrung | wringen, wrungen, wrunged
4 | seek | sought | sought | seeked, soughted, soke
4 | flee | fled | fled | fleed, fledded, fleen
4 | breed | bred | bred | breeded, bredded, breddened
4 | arise | arose | arisen | arised, arosed, arosen
4 | withdraw | withdrew | withdrawn | withdrawed, withdrewed, withdrewn
4 | undergo | underwent | undergone | undergoed, underwented, undergoned
4 | overtake | overtook | overtaken | overtaked, overtooked, overtakened
4 | mistake | mistook | mistaken | mistaked, mistooked, mistooken
4 | cast | cast | cast | cest, castet, castid, castened
4 | burst | burst | burst | burstid, burstet, burstened, bursed
4 | split | split | split | splitten, splitened, splut
4 | weep | wept | wept | weeped, wepted, weepen
4 | foresee | foresaw | foreseen | foreseed, foresawed, foresawn
4 | forbid | forbade | - | forbidded, forbaded, forbaden
5 | forsake | forsook | forsaken | forsaked, forsooked, forsooken
5 | stride | strode | stridden | stridened, stroded, strodened
5 | smite | smote | - | smited, smitened, smoten
5 | lie (be flat) | lay | lain | lied, laid, layed
5 | lay (put down) | laid | laid | lay, lain, lied
5 | beget | begot | - | begetted, begotted, begut
5 | befall | befell | befallen | befalled, befelled, befellen
5 | tread | trod | - | trodded, troddened, treadened
5 | forgo | forwent | forgone | forgoed, forwented, forgoned
5 | behold | beheld | beheld | beholded, behelded, behelt
5 | sling | slung | slung | slinged, slungen, slunged
"""

MEANINGS = """
2 | begin | start | continue, finish, wait
2 | huge | enormous | tiny, heavy, strong
2 | angry | furious | hungry, tired, afraid
2 | rich | wealthy | healthy, famous, clever
2 | ill | sick | weak, slow, old
2 | speak | talk | listen, write, read
2 | shut | close | lock, open, leave
2 | fast | quick | slow, strong, late
2 | silent | quiet | alone, empty, dark
2 | allow | permit | forbid, order, offer
3 | courageous | brave | careful, generous, honest
3 | feeble | weak | fearful, small, quiet
3 | swift | rapid | smooth, sudden, gentle
3 | fatigue | tiredness | hunger, sadness, illness
3 | peculiar | strange | popular, similar, exact
3 | hazardous | dangerous | foggy, doubtful, careless
3 | purchase | buy | chase, sell, borrow
3 | solitary | lonely | sunny, quiet, sturdy
3 | summit | peak | slope, valley, bridge
3 | inquire | ask | answer, require, insist
3 | vacant | empty | absent, idle, distant
3 | timid | shy | humid, early, calm
4 | candid | frank | sweet, hidden, bright
4 | lucid | clear | lucky, liquid, smooth
4 | mendacious | lying | begging, repairing, threatening
4 | arduous | difficult | passionate, hot, lengthy
4 | gregarious | sociable | greedy, quarrelsome, cheerful
4 | ominous | threatening | silent, powerful, hungry
4 | placate | soothe | locate, deceive, reward
4 | ravenous | hungry | dark, angry, wild
4 | nimble | agile | humble, tiny, clever
4 | impede | hinder | advise, accuse, hasten
4 | furtive | secret | fertile, angry, hurried
4 | clandestine | secret | noble, fated, cloudy
4 | prudent | wise | proud, modest, strict
5 | garrulous | talkative | jealous, violent, shiny
5 | pulchritude | beauty | ugliness, heaviness, poverty
5 | indolent | lazy | insulting, painless, rude
5 | recondite | little known | well founded, long gone, often told
5 | penurious | poor | painful, perfumed, thorough
5 | lugubrious | mournful | slippery, luxurious, slow
5 | sagacious | wise | brave, spicy, droopy
5 | pusillanimous | cowardly | generous, youthful, tiny
5 | bellicose | warlike | beautiful, fat, musical
5 | crepuscular | of twilight | of skin, of decay, of crowds
5 | somnolent | sleepy | lonely, gloomy, dreamlike
5 | mellifluous | sweet-sounding | slow-moving, sticky, flowery
5 | tenebrous | dark | trembling, tenable, thin
5 | nugatory | worthless | chewy, golden, harmful
5 | otiose | idle | deaf, hateful, fragrant
5 | vituperate | abuse | vomit, vibrate, praise
5 | inchoate | just begun | overheated, silent, wordless
"""

ANAGRAMS = """
2 | stop | pots | most, lost, past, cost, shot
2 | save | vase | have, same, case, easy, gave
2 | stone | notes | those, often, spent, store, noted
2 | night | thing | think, right, might, light, fight
3 | earth | heart | their, there, other, after, great
3 | dusty | study | rusty, studs, ducts, busty
3 | state | taste | start, least, takes, stage, teams
3 | ocean | canoe | clean, dance, bacon, lance, crane
3 | angel | angle | large, along, learn, range, legal
3 | lemon | melon | money, women, model, novel, noble
3 | charm | march | match, reach, chair, cream, crash
3 | cheap | peach | place, space, peace, reach, beach
3 | inch | chin | nice, rich, thin, chip, coin
3 | lamp | palm | play, plan, camp, mail, calm
3 | wolf | flow | slow, bowl, blow, folk, flew
3 | disk | kids | said, side, kind, risk, skin
4 | silent | listen | single, itself, listed, client, stolen
4 | danger | garden | agreed, orange, gender, earned, gained
4 | reward | drawer | regard, reader, warned, warner, darker
4 | master | stream | matter, market, faster, dreams, waters
4 | secure | rescue | course, source, secret, screen, reduce
4 | sister | resist | series, stress, strike, stores, exists
4 | friend | finder | dinner, driven, finger, remind, define
4 | viewer | review | viewed, revive, weaver, waiver, derive
4 | asleep | please | places, leaves, escape, sample, eagles
4 | bored | robed | order, board, older, broke, broad
4 | players | parsley | lawyers, prayers, sharply, sprayed, sparkle
4 | fired | fried | field, tried, drive, weird, tired
4 | beard | bread | based, ready, heard, board, break
4 | signal | aligns | single, saying, island, asking, losing
5 | section | notices | society, actions, noticed, contest, clients
5 | teacher | cheater | created, weather, reached, chapter, theatre
5 | article | recital | certain, central, reality, climate, trailer
5 | senator | treason | another, parents, reasons, strange, storage
5 | painter | pertain | parents, private, certain, parties, partner
5 | triangle | integral | training, original, starting, material, learning
5 | medical | claimed | climate, miracle, climbed, dilemma, dialect
5 | resident | inserted | industry, interest, increase, internet, minister
5 | creation | reaction | director, continue, election, increase, practice
5 | untied | united | turned, minute, duties, ruined, intend
5 | senior | nosier | person, reason, region, owners, ignore
5 | reserve | reverse | deserve, servers, severed, oversee, everest
5 | percussion | supersonic | depression, expression, permission, processing, impression
5 | direct | credit | editor, priced, metric, traced, stride
5 | player | replay | really, played, nearly, lawyer, barely
"""
