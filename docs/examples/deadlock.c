/* SPDX-License-Identifier: MIT
 * deadlock: what runnel says when nothing can go on any more. Two goroutines pass a number to and
 * fro until one of them expects an answer that the other does not owe. Nobody runs, no timer is due
 * and no thread could still come, so the program ends with status 2, and with a report on stderr:
 * where each goroutine waits, and for what. */
#include <runnel.h>

#include <stdio.h>

/* Answers each number with its double. */
static void doubler(rn_recv_chan(int) questions, rn_send_chan(int) answers)
{
        rn_range(n, questions)
                rn_send(answers, 2 * n);
}

int main(void)
{
        rn_chan(int) questions = rn_make(int, 0), answers = rn_make(int, 0);

        rn_go(doubler, questions, answers);
        rn_send(questions, 21);
        printf("the answer is %d\n", rn_get(answers));
        fflush(stdout);                               /* this program does not get to the end of
                                                       * main */
        printf("and then it is %d\n", rn_get(answers)); /* nobody has asked */
        return 0;
}
