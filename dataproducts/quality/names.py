"""Names that many in Norway have: a small list, by which a column of names is known. Names that are common words too are left out."""

from __future__ import annotations

_FIRST = """
ahmed aleksander alexander ali amalie amina anders andreas andrzej ane anette anja ann anna anne anniken arild arne arvid astrid atle
bente berit birgit bjarne bjørg bjørn bodil camilla cathrine cecilie charlotte christian christine christoffer dag daniel eirik elias
elin eline elisabeth ella ellen elsa emil emilie emma endre erik erling espen eva fatima filip finn fredrik frida frode geir gerd grete
grethe gro gunn gunnar haakon hanna hanne hans harald hege heidi helene helge helle henning henrik herman hilde håkon håvard ida
ingebjørg ingeborg inger ingrid ingvild isak iselin ivar jakob jan janne jenny jens joakim johan johanne johannes john jon jonas jorunn
julie jørgen jørn kai karen kari karianne karin karl kaspar katarzyna kenneth ketil kim kine kirsten kjell kjersti knut kristian kristin
kristine kristoffer kåre laila lars lasse leif lena lene linda linn linnea lise liv lukas mads magne magnus maja malin maria marianne
marie marit markus marte martin mathias mats mette mia michael mikkel mohamed mohammad mona monica monika morten nils nina nora oda odd
oddvar olav ole olga oliver oscar oskar ottar per petter pål ragnar ragnhild randi reidar reidun roger rolf rolv ronny rune ruth sander
sara sebastian sigrid sigurd silje simen sindre siri sissel sofie solveig sondre stein steinar stian stig stine svein sverre sylvia
synnøve terje thea theodor thomas tom tommy tone tor torbjørn tore torill torstein torunn tove trine trond trude trygve turid ulf unni
vegard vibeke vidar vilde wenche yngve yvonne åge åse åshild øystein øyvind
"""
_LAST = """
aas aasen abdi ahmed ali amundsen andersen andersson andreassen antonsen arnesen bakke bakken berge berntsen birkeland bjerke bjørnstad
brekke bråten bøe christensen christiansen dahl dahle danielsen edvardsen eide eliassen ellingsen engebretsen eriksen evensen fredriksen
gabrielsen gulbrandsen gundersen gustavsen hagen halvorsen hansen hassan haug hauge haugen haugland helgesen henriksen hermansen hoel
holm holmen hussain ibrahim isaksen iversen jacobsen jakobsen jansen jensen jenssen johannessen johansen johnsen jonassen jørgensen
karlsen khan knudsen knutsen kowalski kristensen kristiansen kristoffersen larsen larssen lie lien lorentzen lunde magnussen martinsen
mathisen mikalsen mikkelsen moen mohamed mohammed monsen mortensen myhre myklebust ness nguyen nilsen nilssen nordli nowak nygaard
nygård næss olaussen olsen paulsen pedersen pettersen rasmussen ruud rønning samuelsen sandvik simonsen sivertsen solbakken solberg
solheim strøm svendsen syversen sælid sæther sætre sørensen teigen thomassen thorsen tollefsen torgersen tran tveit ulriksen vik
wilhelmsen ødegaard ødegård østby østli
"""
_PLACES = """
bakke bakken berge birkeland dahl eide hagen haug hauge haugen haugland holm holmen lie lien lunde moen ness nordli næss sandvik
solbakken solberg solheim strøm teigen tveit vik østby østli
"""

FIRST_NAMES = frozenset(_FIRST.split())
SURNAMES = frozenset(_LAST.split())
PLACES = frozenset(_PLACES.split())
"""Surnames that places bear too: by themselves they say nothing."""
