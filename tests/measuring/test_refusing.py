"""Answers that decline in words of their own, told by how they begin; and those that only look like it."""

from __future__ import annotations

import time

import pytest

from advisor.measuring.failings import refusals

DECLINE = """
I cannot answer that.
I can’t help with that request.
I can't assist with that.
I cant help you with this
I'm sorry, but I can't help with that.
I’m sorry, I cannot provide that information.
Sorry, but I am unable to answer this question.
I apologize, but I cannot fulfill this request.
I apologize for the confusion, but I am not able to provide legal advice.
My apologies, but I can't tell you that.
I'm sorry.
Sorry!
As an AI language model, I do not have access to real-time data.
As a large language model I cannot browse the internet.
I'm just an AI and I can't provide medical advice.
Unfortunately, I don't have enough information to answer.
Hello! I'm afraid I can't do that.
I'm afraid that I cannot answer this question.
I don't know.
I do not know the answer.
I don't know, the handbook says nothing of it.
I honestly don't know what the fee is.
I have no information about that.
I must decline this request.
I'm not sure.
There is not enough information to answer the question.
Not enough information.
Insufficient context.
It is not possible to determine this from the passages.
The provided context does not mention the price.
The text does not say who signed it.
Based on the provided passages, I cannot determine the answer.
According to the documents, this is not specified.
The answer is not given in the text.
Answer: I cannot answer this.
"I'm unable to answer."
**I cannot help with that.**
I won't write that for you.
Thank you for your question. I cannot share that.
That's a great question! Unfortunately, I can't find it.
I will not provide instructions for that.
Es tut mir leid, aber das kann ich nicht beantworten.
Das weiß ich leider nicht.
Ich weiß es nicht.
Ich kann diese Frage nicht beantworten.
Leider kann ich Ihnen dabei nicht helfen.
Dazu habe ich keine Angaben.
Ich habe keine Informationen dazu.
Im Text steht dazu nichts, das kann ich nicht sagen.
Je suis désolé, mais je ne peux pas répondre à cette question.
Je ne sais pas.
Je ne peux pas vous aider.
Désolé, je n'ai pas cette information.
Lo siento, no puedo ayudarte con eso.
No puedo responder a esa pregunta.
No lo sé.
No tengo información sobre eso.
Mi dispiace, non posso rispondere.
Non lo so.
Desculpe, não posso ajudar com isso.
Não sei a resposta.
Het spijt me, maar ik kan deze vraag niet beantwoorden.
Ik weet het niet.
Przepraszam, nie mogę odpowiedzieć na to pytanie.
Nie wiem.
Извините, я не могу ответить на этот вопрос.
Я не знаю.
К сожалению, у меня нет информации.
很抱歉，我无法回答这个问题。
我不知道。
申し訳ありませんが、お答えできません。
わかりません。
죄송합니다. 답변을 드릴 수 없습니다.
I am not able to find this in the handbook.
I'm really sorry, but I cannot continue with this conversation.
Sorry, I can't share personal data.
I do not have access to your account.
I don't have that information.
I can't provide an answer based on the documents.
I'm unable to determine the warranty period from the given text.
The passage does not contain this information.
The documents provided do not specify an opening time.
As an AI, I can't have opinions on this.
I'm an AI language model, so I cannot feel.
No information about this is available.
I can not tell you that.
There is no mention of a refund in the text.
I have no idea.
We are sorry, but we cannot help you.
This question cannot be answered from the passages.
Unfortunately I cannot disclose this.
I'm not allowed to talk about it.
I refuse to answer.
Leider kann ich das nicht sagen.
Entschuldigung, ich darf darüber keine Auskunft geben.
Darauf kann ich nicht antworten.
Ich habe dazu keine Information.
Je regrette, je ne peux pas vous répondre.
Je n'ai pas accès à ces données.
Lo siento, pero no tengo esa información.
No puedo ayudarle con esa solicitud.
Mi dispiace, ma non posso aiutarti.
Infelizmente não tenho acesso a esses dados.
"""
ANSWER = """
two years
unanswerable
Paris
I'm sorry to hear that your order is late. You can return it within 14 days.
I'm sorry for the delay. Your parcel arrives on Monday.
Sorry for the wait! The shop opens at nine.
Sorry Not Sorry
Sorry Seems to Be the Hardest Word
I Don't Know How to Love Him
I can't wait to see it.
I can't help but think of Paris.
I cannot stress enough that the lock has to be closed.
I can't say for sure, but it is about two years.
I'm not sure, but I think it is 35 euros.
I don't know about you, but I would take the train.
The shop is in Bern. I cannot give more details.
You cannot return it after 30 days.
He said: I cannot answer that.
It is illegal and unethical to copy keys.
As an apprentice you get 20 days.
As an AI company, it was founded in 2015.
No, the guarantee does not include the battery.
The contract does not provide for a refund.
There is no information desk on Sundays.
No information is needed.
No data plan is needed for that
It is not possible to cancel after 24 hours.
It is impossible to get there by train.
Hello! The shop opens at nine.
I apologize for the mistake: it is 35 euros.
Unfortunately, the shop is closed on Mondays.
Based on the passages, the fee is 35 euros.
I will not be at home before six.
I could not find my key, so call 112.
Write "I cannot answer" on the form.
I have no objection.
I'm an engineer at Larkfell.
Leider ist der Laden montags geschlossen.
Ich kann das Rad nicht vor Montag abholen.
Das kann ich nur empfehlen.
Es tut mir leid, das zu hören. Sie bekommen Ihr Geld zurück.
Je ne peux pas venir lundi.
No se puede devolver.
No, la garantía dura dos años.
Non è possibile restituirlo.
Não, a garantia dura dois anos.
Nie można zwrócić.
Я не курю.
不能退货。
不能使用现金。
できません
I, Robot
In the text, the price is 35 euros.
I'm sorry but yes, you need a ticket.
I won't be able to come on Monday.
I'm unable to ride on ice, says the rider.
This is not given to members.
The answer is not 5 but 7.
I must not forget my key.
I can't complain: the service was good.
Sorry, we are closed on Sunday.
I am afraid of heights.
I'm afraid so, the guarantee has expired.
The handbook says that you cannot lend the bike.
It is not allowed.
I don't think so; it is 35 euros.
I do not agree with clause 4.
There is no fee.
No context menu opens.
As an assistant manager you have a key.
I will not be charged.
Sorry about that! Your code is 4417.
In the case of theft, call the police.
I'm sorry, this bike weighs 23 kg, which is too heavy.
You don't have to answer.
Unknown
I know.
It cannot be repaired.
That is not mentioned often, but it is 12 days.
Ich kann das Rad nicht tragen.
Das kann man nicht zurückgeben.
Leider nein.
Je ne mange pas de viande.
No tengo hambre.
Non lo so fare in tre giorni.
Não posso comer nozes.
我不能吃坚果。
Nie wiem, kiedy przyjdzie, ale sklep jest otwarty do 18.
К сожалению, магазин закрыт.
"""


@pytest.mark.parametrize("text", DECLINE.strip().splitlines())
def test_what_declines_is_told_by_how_it_begins(text: str) -> None:
    assert refusals(text, ["two years"]) == 1


@pytest.mark.parametrize("text", ANSWER.strip().splitlines())
def test_what_answers_is_no_refusal_whatever_words_are_in_it(text: str) -> None:
    assert refusals(text, ["two years"]) == 0


@pytest.mark.parametrize("apostrophe", "'’‘ʼ`")
def test_apostrophes_of_any_kind_are_one(apostrophe: str) -> None:
    assert refusals(f"I{apostrophe}m sorry, but I can{apostrophe}t help with that.", ["x"]) == 1


def test_what_a_reference_says_too_is_an_answer() -> None:
    assert refusals("I don't know.", ["I don’t know."]) == 0
    assert refusals("Unanswerable.", ["x"]) == 0


def test_a_phrase_behind_the_beginning_declines_nothing() -> None:
    assert refusals(f"The shop is in Bern. {'It is large. ' * 40}I cannot answer that.", ["x"]) == 0


def test_no_answer_takes_long_to_look_at() -> None:
    began = time.perf_counter()
    for text in ("I'm sorry ", "as an AI ", "I ", "in the ", "no ", "(", "回", "I really "):
        refusals(text * 300, ["x"])
    assert time.perf_counter() - began < 1
