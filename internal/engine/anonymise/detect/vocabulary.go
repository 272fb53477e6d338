package detect

import (
	"strings"
	"sync"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// A meaning is what a word in the name of a column says.
type meaning struct {
	kind   personal.Kind
	weak   bool // only together with what stands around
	silent bool // a word that turns what stands beside it into something harmless: count, type, sent, enabled
}

// vocabulary is the meaning of words and of runs of words written together ("date of birth" is dateofbirth). To add a word, add it to the line of its kind:
// folded, without blanks; a run of up to five words of a column's name is looked up as one.
var vocabulary = sync.OnceValue(func() map[string]meaning {
	words := make(map[string]meaning, 2500)
	add := func(m meaning, text string) {
		for w := range strings.FieldsSeq(text) {
			words[w] = m
		}
	}
	for _, v := range harmlessWords {
		add(meaning{kind: personal.None}, v)
	}
	for k, v := range weakWords {
		add(meaning{kind: k, weak: true}, v)
	}
	for k, v := range strongWords {
		add(meaning{kind: k}, v)
		for w := range strings.FieldsSeq(v) { // plurals
			if _, taken := words[w+"s"]; !taken {
				words[w+"s"] = meaning{kind: k}
			}
		}
	}
	add(meaning{silent: true}, silentWords)
	return words
})

// What a column is, whatever stands around.
var strongWords = map[personal.Kind]string{
	personal.GivenName: `firstname forename givenname prenom prenoms prenomusuel voornaam voornamen roepnaam vorname vornamen rufname middlename secondname fname
		christianname preferredname preferredfirstname chosenname deuxiemeprenom autresprenoms petitnom tweedevoornaam zweitername middleinitial nickgivenname`,
	personal.FamilyName: `lastname surname familyname nomdefamille nomfamille nomusage nomusuel nomnaissance nomdenaissance nomjeunefille nomdejeunefille nommarital
		nomepouse patronyme achternaam familienaam geslachtsnaam meisjesnaam nachname familienname geburtsname maidenname birthname lname secondlastname
		familynameprefix familynamesuffix tussenvoegsel tussenvoegsels nompatronymique nomepoux partnernaam ledigername zuname`,
	personal.FullName: `fullname nomcomplet nometprenom nomprenom prenomnom volledigenaam naamvoornaam voornaamachternaam vollername vollstaendigername realname legalname
		personname contactname contactperson contactpersoon personnecontact personnedecontact ansprechpartner kontaktperson nomcontact customername clientname
		nomclient klantnaam kundenname patientname nompatient employeename nomemploye ownername holdername cardholder cardholdername titulaire titulairecompte
		titulairecarte rekeninghouder kontoinhaber karteninhaber nameoncard accountholder accountholdername accountname beneficiaryname nombeneficiaire begunstigde
		authorname nomauteur sendername recipientname nomdestinataire receivername shippingname billingname deliveryname approvername managername teachername
		doctorname physicianname medecintraitant medecin huisarts hausarzt nextofkin emergencycontact emergencycontactname personneaprevenir noodcontact
		notfallkontakt guardianname parentname mothername fathername motherfullname fatherfullname nommere nompere spousename partnername nomconjoint childname
		mothersmaidenname mothermaidenname initials initialen initiales signatoryname signataire ondertekenaar unterzeichner nomresponsable nomrepresentant
		representantlegal mandataire usagername membername studentname nomeleve nomenfant passengername guestname attendeename inviteename displayname
		agentname sellername buyername donorname nomdonateur applicantname nomdemandeur candidatename nomcandidat leadname witnessname visitorname`,
	personal.Username: `username userlogin loginname screenname nickname handle userhandle pseudo pseudonyme nomutilisateur nomdutilisateur identifiant gebruikersnaam
		benutzername anmeldename nutzername identifiantconnexion twitterhandle githubusername githublogin twitter instagram facebook snapchat skype telegram discord
		mastodon tiktok jabberid skypeid twitterusername linkedin whatsappname upn samaccountname userprincipalname acct useraccount ldapuid ldapsid openid
		facebookid googleid githubid appleid provideruserid externaluserid provideraccountid openididentifier
		employeenumber matricule personeelsnummer personalnummer employeeid staffnumber studentnumber numeroetudiant studentid numeroadherent membernumber lidnummer mitgliedsnummer
		kontaktid useridentifier loginid slackuserid slackid microsoftid keycloakid samlnameid nameid subjectid`,
	personal.Email: `email mail courriel mel adressemail adresseemail adressecourriel adressemel adresseelectronique emailaddress mailaddress emailadres mailadres
		emailadresse mailadresse epost epostadresse replyto ccemail bccemail cc bcc fromemail toemail fromaddress toaddress mailfrom mailto emailto emailfrom
		mailfromaddress senderemail recipientemail mailadr emailperso emailpro inviteeemail inviteremail rcptto envelopefrom`,
	personal.Phone: `phone telephone telephonenumber phonenumber phonenum phoneno tel telnr telno numtel numerotelephone numerodetelephone gsm gsmnummer numerogsm mobile
		mobilephone mobilenumber mobileno cellphone cell portable telportable telephoneportable telfixe teldomicile mobiel mobielnummer telefoon telefoonnummer
		telefon telefonnummer rufnummer handy handynummer mobil mobilnummer mobiltelefon festnetz fax faxnumber faxnummer telefax whatsapp whatsappnumber msisdn
		homephone workphone officephone officefax personalmobile smsnumber callerid callernumber landline telecopie numerofax vastetelefoon fixe faxnr`,
	personal.IBAN: `iban ibannumber bankaccount bankaccountnumber accountnumber accountno compteiban comptebancaire numerocompte numerodecompte rib rekeningnummer
		bankrekening bankrekeningnummer rekening kontonummer bankkonto bankverbindung bban creditoriban debtoriban ribiban rekeningouder sepaiban routingaccount
		accountiban beneficiaryaccount`,
	personal.Card: `cardnumber creditcard creditcardnumber ccnumber ccnum pan cardpan numerocarte numerodecarte numerocartebancaire cartebancaire kaartnummer
		kreditkarte kreditkartennummer kartennummer debitcard cardlast4 last4 lastfour lastdigits lastfourdigits cardno maskedpan maskedcard`,
	personal.NationalNumber: `niss nrn ssn nir bsn insz inss sofi sofinummer numerosecu numsecu nosecu numeross numsecuritesociale numerosecuritesociale numerodesecuritesociale
		numeroregistrenational registrenational numregistrenational numerodunationale numeronational rijksregisternummer rijksregisternr rijksregister
		burgerservicenummer socialsecuritynumber socialsecurityno socialsecurity nationalid nationalidnumber nationalnumber nationalinsurancenumber nino
		nhsnumber nhsno steueridentifikationsnummer steuerid steuernummer taxid taxpayerid tin sozialversicherungsnummer svnr svnummer ahvnummer ahvnr ahv
		numeroavs personnummer cpr cprnumber pesel codicefiscale dni nie nif curp cpf sin sinnumber medicarenumber mrn medicalrecordnumber patientidentifier
		numeropatient ipp insmatricule ins numeroin numerosns spi numerofiscal numerofiscalreference identificationnumber krankenversicherungsnummer kvnr
		versichertennummer numeroassure numerobis bisnummer idnumber personalidnumber personalid nin`,
	personal.IdentityPaper: `passport passportnumber passportno passeport numpasseport numeropasseport paspoort paspoortnummer reisepass reisepassnummer identitycard
		identitycardnumber idcard idcardnumber carteidentite numerocarteidentite numcarteidentite cni identiteitskaart identiteitskaartnummer
		personalausweis personalausweisnummer ausweisnummer ausweisnr driverlicense driverlicence driverslicense driverlicenseno drivinglicence drivinglicense
		driverlicensenumber licensenumber permisconduire permisdeconduire numeropermis rijbewijs rijbewijsnummer fuehrerschein fuhrerschein fuehrerscheinnummer
		licenseplate licenceplate plate platenumber numberplate plaque plaqueimmatriculation immatriculation nummerplaat kenteken kennzeichen vin vinnumber
		chassisnumber numerochassis visanumber titresejour numerotitresejour residencepermit verblijfsvergunning aufenthaltstitel documentnumber iddocumentnumber
		idcardno cartesejour vehicleregistration`,
	personal.Address: `streetaddress street streetname streetline1 addressline addressline1 addressline2 addressline3 address1 address2 address3 postaladdress mailingaddress
		homeaddress residentialaddress billingaddress shippingaddress deliveryaddress fulladdress physicaladdress adressepostale adressedomicile
		adressefacturation adresselivraison adressecomplete adresseligne1 adresseligne2 rue nomrue numerorue nomvoie numerovoie numvoie voie libellevoie
		complementadresse complementdadresse domicile lieudit housenumber houseno housenr numeromaison nummaison nummerhuis huisnummer huisnr huisnummertoevoeging
		toevoeging busnummer bus boite bte straat straatnaam straatnummer straatennummer adres woonadres thuisadres postadres leveradres factuuradres
		facturatieadres strasse strassenname hausnummer hausnr anschrift wohnanschrift adresszeile adresszeile1 adresszeile2 adresszusatz lieferadresse rechnungsadresse
		postanschrift privatadresse apartment apartmentnumber flatnumber pobox postbus boitepostale postfach addressee residence streetnumber street1 street2
		geocodedaddress formattedaddress rueetnumero adressenumero addressstreet`,
	personal.Postcode: `postcode postalcode zip zipcode zippostalcode codepostal cp postnummer postleitzahl plz postcodes npa zipplus4 cap eircode`,
	personal.Town: `city town cityname townname ville nomville commune nomcommune localite gemeente woonplaats stad stadt wohnort cityvillage village locality placeofbirth
		birthplace birthcity birthtown lieunaissance lieudenaissance villenaissance communenaissance geboorteplaats geburtsort hometown municipality deelgemeente
		codeinseelocalite codeinsee codecommune suburb neighborhood neighbourhood countydistrict quartier wijk ortsteil citycode plaatsnaam`,
	personal.Coordinates: `latitude longitude lat lng lon long latlng latlong latlon geolat geolng geolong geolon geopoint gps gpscoordinates gpslocation coordinates coordonnees
		coordinaten koordinaten coord coords geolocation geoloc geom geometry lastlocation currentlocation userlocation breedtegraad lengtegraad breitengrad
		laengengrad coordinateslat coordinateslong geohash homelat homelng geometrie`,
	personal.IP: `ip ipaddr ipaddress adresseip ipadres ipadresse remoteip remoteaddr remoteaddress clientip clientaddress userip lastip lastloginip currentsigninip
		lastsigninip signupip registrationip createdip sourceip srcip iplastlogin ippreviouslogin iplog ipv4 ipv6 peeraddress xforwardedfor forwardedfor hostip
		lastusedip loginip visitorip realip storedips authorizednetworks allowedips ips`,
	personal.Device: `deviceid deviceidentifier deviceuuid devicetoken devicefingerprint fingerprint browserfingerprint useragent useragentstring ua uastring browser
		navigateur imei imsi iccid eid macaddress macaddr mac udid idfa idfv gaid aaid advertisingid adid androidid installationid installid cookie cookieid
		cookies clientid visitorid visitoruuid trackingid gaclientid fbp fbc anonymousid distinctid amplitudeid mixpanelid serialnumber deviceserial hardwareid
		handsetid webauthnid externaldeviceid pushsubscription pushendpoint`,
	personal.BirthDate: `birthdate dateofbirth dob birthday bday borndate bornon birth birthyear yearofbirth birthmonth monthofbirth datenaissance datedenaissance
		anneenaissance anneedenaissance naissance ddn journaissance geboortedatum geboortejaar geboortedag geburtsdatum gebdatum geburtstag geburtsjahr gebdat
		gebjahr geboren age leeftijd alter birthtime timeofbirth datebirth dateofdeath deathdate deceasedon deceasedat diedon datedeces overlijdensdatum
		sterbedatum agegroup ageyears trancheage dateofbirthenc`,
	personal.Sex: `sex gender sexe genre geslacht geschlecht civilite civility salutation anrede aanhef aanspreektitel honorific pronouns pronoun gendercode titreciv
		genderidentity formofaddress legalsex`,
	personal.Special: `religion religions godsdienst konfession confession culte faith levensbeschouwing race ethnicity ethnicgroup ethnic ethnie ethnischeherkunft
		herkunft origineethnique sexualorientation orientationsexuelle seksuelegeaardheid sexuelleorientierung politicalviews politicalview politicalparty
		politicalopinion opinionspolitiques opinionpolitique partipolitique politiekevoorkeur parteizugehoerigkeit unionmember tradeunion tradeunionmembership
		syndicat syndique vakbond vakbondslidmaatschap gewerkschaft gewerkschaftsmitglied disability disabilities handicap handicape handicaps
		travailleurhandicape rqth beperking schwerbehindert behinderung schwerbehinderung gradderbehinderung bloodtype bloodgroup groupesanguin bloedgroep blutgruppe
		diagnosis diagnoses diagnostic diagnostics diagnose diagnosenoncoded diagnosiscoded icd10 icdcode icd disease diseases maladie maladies ziekte ziektes
		krankheit krankheiten illness medicalcondition medicalconditions conditionnoncoded conditioncoded medicalhistory antecedents antecedentsmedicaux
		healthstatus etatsante gezondheidstoestand gesundheitszustand allergy allergies allergie allergieen allergien allergen noncodedallergen
		codedallergen allergystatus allergentype reactionnoncoded medication medications medicament medicaments medicatie medikamente traitementmedical prescription
		prescriptions drugnoncoded symptom symptoms symptomes symptomen hiv hivstatus sida vaccination vaccinations vaccinationstatus vaccin
		vaccinatie impfstatus pregnant ispregnant pregnancy enceinte grossesse zwanger schwanger smoker issmoker fumeur roker raucher causeofdeath
		causeofdeathnoncoded causedeces doodsoorzaak todesursache bmi geneticdata adn dna genome biometric biometrics biometricdata empreintedigitale
		fingerprintimage faceembedding facialtemplate voiceprint criminalrecord criminalhistory casierjudiciaire condamnation condamnations conviction convictions
		strafblad strafregister vorstrafen vorstrafe infraction infractions sickleave ziekteverlof ziekteverlofreden congemaladie arretmaladie motifarret
		krankmeldung krankheitsgrund invalidite invalidity clinicalstatus mentalhealth santementale psychiatric
		lifestyle addiction addictions dieet dietaryrequirements regimealimentaire handicaptype degreehandicap incapacite tauxincapacite caste tribe skincolor`,
	personal.Credential: `password passwd pwd pass passphrase passwordhash passwordhashed passworddigest hashedpassword encryptedpassword cryptedpassword passcrypted passtemp
		passhash motdepasse mdp wachtwoord wachtwoordhash passwort passworthash kennwort secret secrets clientsecret appsecret sharedsecret webhooksecret
		webhooksigningsecret signingsecret signingkey secretkey secretquestion secretanswer securityquestion securityanswer token tokens accesstoken
		refreshtoken idtoken authtoken sessiontoken resetpasswordtoken resettoken confirmationtoken remembertoken invitationtoken jeton jetonacces unlocktoken
		apitoken bearertoken csrftoken apikey apikeys apisecret accesskey accesskeyid secretaccesskey privatekey encryptionkey authkey keyauth hashedkey keyhash
		lookuphash webserviceskey activationkey activationcode otp otpsecret otpseed totp totpsecret otpbackupcodes backupcodes recoverycode
		recoverycodes recoverytoken coderecuperation codederecuperation herstelcode twofactorsecret twofasecret mfasecret mfatoken pin pincode codepin cvv cvc
		cvv2 securitycode verificationcode codeverification magiclink salt passwordsalt perishabletoken persistencetoken sessionid sessionkey sessiondata sid
		authdata credentials credential certificatekey pemkey sshkey sshprivatekey dbpassword smtppassword encryptedotpsecret encryptedotpsecretiv
		encryptedotpsecretsalt tokenvalue tokenhash pushtoken fcmtoken apnstoken oauthtoken oauthsecret jwt webhookkey hmactoken hmacsecret hmac
		authdigest userauth signintoken logintoken authorizationcode authcode accesscode codeacces toegangscode zugangscode schluessel sleutel
		 connectionstring dsn databaseurl noncesecret codeverifier totpkey passkey webauthncredential keyp256dh p256dh plainpassword oldpassword newpassword`,
	personal.PersonURL: `avatar avatarurl avatarpath avatarremoteurl headerremoteurl profileurl profilepage profilepicture profilepic profileimage profileimageurl photourl pictureurl
		photo picture portrait linkedinurl facebookurl twitterurl githuburl instagramurl gravatar gravatarurl imageprofil photoprofil photoidentite profilfoto
		profielfoto pasfoto profilbild passfoto headshot selfie homepageurl personalwebsite personalsite siteperso blogurl linkedinprofile portfoliourl resumeurl
		cvurl inboxurl outboxurl followersurl followingurl sharedinboxurl alsoknownas actoruri profileuri accounturl userurl memberurl vcard`,
	personal.Text: `note notes notepublic noteprivate comment comments commentaire commentaires opmerking opmerkingen bemerkung bemerkungen kommentar kommentare
		notiz notizen notitie notities remark remarks remarque remarques observation observations description descriptions beschrijving omschrijving beschreibung
		body content contents contenu message messages bericht nachricht text texte tekst bodytext bodyhtml htmlbody textbody plaintext html bio biography
		biographie aboutme about summary resume abstract motivation lettremotivation coverletter motivationletter reason reasons motif reden grund voidreason
		retirereason cancelledreason blockedreason feedback feedbackmessage review reviewtext answer answers reponse reponses antwoord antwort transcript
		signature messagesignature instructions specialinstructions deliveryinstructions dosinginstructions memo details detail additionaldetail subject betreff
		onderwerp objet sujet prompt completion chat story letter brief justification explanation explication toelichting begruendung
		erklaerung lasterror error errormessage errormsg errordetails backtrace stacktrace traceback failuremessage exception exceptions searchterms
		privatesearchterms freetext complaint plainte klacht beschwerde caption spoilertext clinicalnotes clinicalnote anamnesis voicemail
		transcription ocr ocrtext fulltext searchtext searchvector tsv handler arguments hint introduction speech testimonial logs 
		changenote internalnote internalnotes customernote ordernote valuetext propertyvalue mergeddata hl7data rawdata rawemail rawmessage requestbody
		responsebody changes auditedchanges diff olddata newdata oldvalue newvalue oldvalues newvalues beforevalue aftervalue`,
	personal.File: `file files fichier fichiers bestand bestanden datei dateien attachment attachments piecejointe piecesjointes bijlage bijlagen anhang anhaenge document
		documents blob filedata filecontent filecontents binary pdf cv scan upload uploads filename filenames filepath nomfichier bestandsnaam dateiname originalfilename
		attachmentname photodata imagedata video audio recording enregistrement signatureimage avatarfilename headerfilename filefilename valuecomplex
		carrierwavefile documentname attachmentfilename`,
}

// What a column may be, when what stands around says so (context.go).
var weakWords = map[personal.Kind]string{
	personal.FullName: `name nom naam names noms namen author auteur owner eigenaar eigentuemer proprietaire contact contacts kontakt recipient destinataire
		recipients sender from to actor creator createdby updatedby modifiedby approvedby assignedto assignee archivedby deletedby lockedby doneby sentby
		cancelledby erstelltvon creepar modifiepar aangemaaktdoor requester demandeur applicant aanvrager antragsteller beneficiary beneficiaire patient
		employee employe customer klant kunde person personne persoon guest participant attendee member membre lid mitglied student
		eleve leerling doctor lawyer notaire avocat teacher manager responsable supervisor billto shipto soldto deliverto attn attention letters suffix prefix
		representative witness temoin driver chauffeur passenger victim victime spouse conjoint parent father mother pere mere child enfant performedby
		reportedby reviewedby uploadedby issuedby invitedby revokedby processedby signedby signedbyname checkedby verifiedby changedby humanidentifier assignedby`,
	personal.Username: `login user utilisateur gebruiker benutzer uid sub identifier account slugname userid customerid accountid memberid patientid personid
		contactid profileid externalid imaplogin smtplogin`,
	personal.Address:     `address adresse addr location locatie lieu destination origin place`,
	personal.Town:        `ort plaats district region province county departement canton stateprovince statename birthstate borough`,
	personal.Phone:       `number nummer contactnumber num`,
	personal.Credential:  `key hash code nonce certificate sessionstate`,
	personal.PersonURL:   `url uri link website siteweb homepage web image permalink`,
	personal.Text:        `value valeur waarde wert values data payload input output result results metadata meta title titre titel response request properties attributes fields extra extras question headline tagline info information infos params parameters variables raw before after old new sentiment interests hobbies template term terms search query history`,
	personal.Special:     `nationality nationalite nationaliteit staatsangehoerigkeit nationalitaet citizenship maritalstatus situationfamiliale burgerlijkestaat familienstand zivilstand etatcivil mutuelle ziekenfonds krankenkasse healthinsurance mothertongue languespoken birthcountry paysnaissance countryofbirth onsetdate dead deceased decede overleden verstorben`,
	personal.Device:      `serial device fingerprinthash endpoint`,
	personal.BirthDate:   `born death `,
	personal.Coordinates: ` point geo`,
}

// What is understood and says nothing of a person.
var harmlessWords = []string{
	`status statut state stand zustand active actif actief aktiv enabled kind type types category categorie kategorie level niveau priority prioriteit prioritaet position
	rank order sort sortorder rang weight height width depth length size amount montant bedrag betrag price prix prijs preis total subtotal cost quantity qty quantite
	aantal anzahl nombre tax vat tva btw mwst ust currency devise munt waehrung rate taux discount balance solde saldo salary salaire loon gehalt
	created updated deleted modified inserted started ended finished expires expired published archived completed processed due valid available closed opened 
	datecreation datemodification dateenvoi datefin datedebut datec tms creation creationdate enddate startdate duedate orderdate paymentdate`,
	`createdat updatedat deletedat createdon updatedon timestamp date datetime time year month day week hour minute second annee mois jour jaar maand dag jahr monat tag
	duration duree duur dauer period interval frequency frequence timezone displaytimezone tz locale lang language langue taal sprache languages chosenlanguages defaultlang country pays land
	countrycode countryname countryiso iso iso2 iso3 abbr acronym currencycode languagecode langcode`,
	`sku ean gtin upc isbn barcode brand marque merk marke modele version versions revision semver color colour couleur kleur farbe icon slug path route mime mimetype contenttype
	format extension ext encoding charset checksum md5 sha1 sha256 etag digest variationdigest bytesize filesize unit units currencyiso publickey featurekey eventkey foreignkey primarykey tablename
	columnname eventname productname companyname brandname rolename tagname groupname teamname channelname queuename servicename jobname taskname projectname modelname classname
	domainname hostname bucketname botname filetype recordtype servername planname stagename attributename attributekey attributedisplayname headername statusname typename`,
	`company companies societe bedrijf firma entreprise organisation organization organisationslug organisme etablissement employer employeur werkgever arbeitgeber department departments service
	afdeling abteilung team school ecole raisonsociale nomsociete bedrijfsnaam firmenname enseigne siren siret vatnumber numerotva tvaintra numerotvaintracommunautaire kbo bce kvk kvknummer
	handelsregister naf ape nace legalform formejuridique formejuridiquecode rna bic swift swiftcode sortcode bankname banque bank bankcode routingnumber`,
	`job jobtitle function functie funktion fonction role roles permission permissions scope scopes grants profession beroep beruf occupation poste grade degree
	queue cron schedule method action event provider source channel medium domain host port protocol environment env zone cluster namespace node
	enum flag flags feature features featureflags limits limit quota threshold rating score points views likes visibility algorithm alg crv curve strategy mode theme layout
	product produit produkt article item invoicenumber invoiceno ordernumber orderno numerofacture facturenummer rechnungsnummer reference ref refext referencenumber customernumber kundennummer
	codeclient klantnummer clientnumber importkey trackingnumber accessionnumber transactionid requestid requestuuid correlationid traceid spanid jobid batchid runid messageid
	 tag tags keyword keywords metakeywords metatitle seotitle pagetitle headertext legal unsubscribe amr finishreason sdk os platform osversion appversion sdkversion
	shortcode shortcodes abbreviation symbol class classe klasse klas section chapter volume edition libelle label labels bezeichnung intitule aasm issuer
	morphy canvas modelpdf morphology horaires openinghours openingstijden oeffnungszeiten urgency certainty dose quantityunits manufacturer fabricant hersteller leverancier supplier fournisseur
	salarymin capital turnover umsatz omzet chiffreaffaires revenue ca rental nbenfants numberofchildren children
	authentication authorizationmethod grant granttype granttypes responsetype redirecturi redirecturis redirecturl callbackurl webhookurl logourl imageurl iconurl thumbnailurl
	externalurl faqlink docsurl homepagelink websiteurl sitewebentreprise targeturl endpointurl apiurl baseurl incoterms dpo rule rules logic conditions actions trigger triggers layoutconfig
	timeout timeouts expression expressions branch gitbranch repobranch window windows retention retentionperiod dataretention idempotencykey partitionkey sortkey routingkey cachekey spanname
	settings config configuration preferences notificationsettings uisettings styling options permissionsjson limitsjson schema workflow`,
}

// What makes a name harmless that holds it beside a word of personal data: the type, number, state or time of the thing, not the thing.
const silentWords = `count counts counter nb nbr nombre aantal anzahl type types typ kind template templates modele sjabloon vorlage format formats enabled disabled
	verified verification validated validation confirmed required optional allowed sent received delivered opened clicked bounced unsubscribed at on since until
	expires expiry expiration expired expire created updated changed modified deleted failed attempts attempt retries retry length size max min limit version versions
	provider providers method mode status state visibility visible privacy policy policies settings setting preference preferences pref prefs consent optin optout is has can
	show hide allow notify enable use uses usage used lang language locale color colour index position order sort rank encoding alg algorithm authentication
	estimated estimate verifie verifiee valide envoye envoi envoyee gesendet verzonden bestaetigt bevestigd category categorie scheme mandatory port ssl tls domains
	 mime behavior behaviour strategy generator regex pattern validator mask placeholder column field header precision unit units tag tags`
