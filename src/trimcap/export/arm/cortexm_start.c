/* Start-up for an emulated Cortex-M (QEMU mps2-an386, mps2-an500) with semihosting. Not for a real board. */
#include <stdint.h>
#include <stdlib.h>

extern uint32_t image_data_load, image_data_start, image_data_end, image_bss_start, image_bss_end, image_stack_top;
extern void initialise_monitor_handles(void);
int main(void);

/* Wraps of the 24-bit SysTick counter, for whoever measures with it. */
volatile uint32_t systick_wraps;

static void on_systick(void)
{
  systick_wraps++;
}

static void on_fault(void)
{
  exit(99);
}

static void on_reset(void)
{
  *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: full access to the floating-point unit */
  __asm volatile("dsb\n isb");
  const uint32_t *from = &image_data_load;
  for (uint32_t *to = &image_data_start; to < &image_data_end;) *to++ = *from++;
  for (uint32_t *to = &image_bss_start; to < &image_bss_end;) *to++ = 0;
  initialise_monitor_handles();
  exit(main());
}

/* Called by exit in newlib. */
void _init(void) {}
void _fini(void) {}

typedef void (*handler)(void);
__attribute__((section(".vectors"), used)) static const union {
  handler call;
  const void *stack;
} vectors[16] = {
    {.stack = &image_stack_top}, {on_reset}, {on_fault}, {on_fault}, {on_fault}, {on_fault}, {on_fault}, {0}, {0},
    {0}, {0}, {on_fault}, {on_fault}, {0}, {on_fault}, {on_systick},
};
