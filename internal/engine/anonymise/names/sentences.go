package names

const (
	frSentences = `Le dossier est complet.|La réunion est reportée à la semaine prochaine.|Un courrier a été envoyé.|Rien à signaler pour le moment.|La demande suit son cours.|Le rendez-vous est confirmé.|Les pièces ont bien été reçues.|Une réponse est attendue sous peu.|Le point sera revu lors du prochain échange.|Tout est en ordre.|La question reste ouverte.|Le délai a été prolongé.|Le document manque encore.|Une visite est prévue au printemps.|Les travaux avancent comme prévu.|Merci de rappeler plus tard.`
	nlSentences = `Het dossier is volledig.|De vergadering is een week verschoven.|Er is een brief verstuurd.|Voorlopig niets te melden.|De aanvraag loopt nog.|De afspraak is bevestigd.|De stukken zijn goed ontvangen.|Binnenkort volgt een antwoord.|Het punt komt terug op het volgende overleg.|Alles is in orde.|De vraag blijft open.|De termijn is verlengd.|Het document ontbreekt nog.|In het voorjaar is een bezoek gepland.|De werken verlopen zoals gepland.|Graag later terugbellen.`
	deSentences = `Die Akte ist vollständig.|Die Sitzung wurde um eine Woche verschoben.|Ein Brief ist verschickt.|Zurzeit gibt es nichts zu berichten.|Der Antrag ist in Arbeit.|Der Termin ist bestätigt.|Die Unterlagen sind eingegangen.|Eine Antwort folgt in Kürze.|Der Punkt wird beim nächsten Gespräch behandelt.|Alles ist in Ordnung.|Die Frage bleibt offen.|Die Frist wurde verlängert.|Das Dokument fehlt noch.|Ein Besuch ist im Frühjahr geplant.|Die Arbeiten laufen wie vorgesehen.|Bitte später zurückrufen.`
	enSentences = `The file is complete.|The meeting has been moved to next week.|A letter has been sent.|Nothing to report for now.|The request is being handled.|The appointment is confirmed.|The papers have arrived.|An answer is expected soon.|The point will be taken up at the next meeting.|Everything is in order.|The question is still open.|The deadline has been extended.|The document is still missing.|A visit is planned for spring.|The work is going on as planned.|Please call back later.`
)

// Sentence draws a sentence that says nothing of anybody.
func (l *Lists) Sentence(p Picker) string { return l.sentences[p.Below(len(l.sentences))] }
