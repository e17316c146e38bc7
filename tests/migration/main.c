/* SPDX-License-Identifier: MIT
 * The program around migrate.c, which may be a shared object of its own. */
int migrate(void);

int main(void)
{
        return migrate();
}
